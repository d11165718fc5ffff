// An agent: fetches a page; what its guard asks for is the client's business.

import { argv, exit } from "node:process";
import { Client } from "quivive";

const response = await new Client().fetch(argv[2]);

console.log(response.status, (await response.text()).trimEnd());
exit(response.ok ? 0 : 1);
