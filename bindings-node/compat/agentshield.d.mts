export * from "./agentshield.js";
