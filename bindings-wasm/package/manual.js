export { Client } from "./client.js";
export { initialize, initializeSync } from "./native.js";
export * from "./quivive.js";
