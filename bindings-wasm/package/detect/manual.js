export { initialize, initializeSync } from "./native.js";
export * from "./index.js";
