import { readFileSync } from "node:fs";

import { initializeSync } from "./native.js";

initializeSync(readFileSync(new URL("./core_bg.wasm", import.meta.url)));

export * from "./index.js";
