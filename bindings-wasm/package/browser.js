import { initialize } from "./native.js";

await initialize();

export { Client } from "./client.js";
export * from "./quivive.js";
