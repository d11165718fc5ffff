import { operations } from "./native.js";

export { QuiviveError } from "../error.js";
export { Classifier } from "./native.js";

export const { classifyRequest } = operations;
