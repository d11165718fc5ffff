export { QuiviveError } from "../error.js";
export { Classifier } from "../index.js";
export { classifyRequest } from "../operations.js";
export type { AgentInfo, Classification, RequestFacts } from "../operations.js";
