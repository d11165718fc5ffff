// Lines of user agents as JSON strings in, lines of `{"isbot": …, "crawler-user-agents": …}` out.
// The argument is a folder in which both packages are installed.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(join(process.argv[2], "package.json"));
const { isbot } = require("isbot");
const patterns = require("crawler-user-agents").map((entry) => new RegExp(entry.pattern));

for await (const line of createInterface({ input: process.stdin })) {
  const text = JSON.parse(line);
  const isCrawler = patterns.some((pattern) => pattern.test(text));
  console.log(JSON.stringify({ isbot: isbot(text), "crawler-user-agents": isCrawler }));
}
