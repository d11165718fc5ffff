export * from "./index.js";
export { initialize, initializeSync } from "../manual.js";
