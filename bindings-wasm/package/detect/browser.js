import { initialize } from "./native.js";

await initialize();

export * from "./index.js";
