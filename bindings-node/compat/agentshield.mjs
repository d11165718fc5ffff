import agentshield from "./agentshield.js";

export const { AgentShield } = agentshield;
