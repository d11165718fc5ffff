import start, * as core from "./core.js";
import { attempt, decode, encode, wrap } from "./error.js";

/** Loads the wasm file: from beside this module, or from a URL, response, bytes or compiled module. */
export async function initialize(source) {
  await start(source === undefined ? undefined : { module_or_path: source });
}

/** Starts from bytes or a compiled module without waiting. */
export function initializeSync(module) {
  core.initSync({ module });
}

/** Every operation, under its JavaScript name. */
export const operations = Object.fromEntries(
  Object.entries(core)
    .filter(([name]) => /^[a-z]/.test(name) && name !== "default" && name !== "initSync")
    .map(([name, call]) => [name, wrap(call)]),
);

/** Verifies tokens against one key set under one policy; keys and policy are read once. */
export class Verifier {
  #native;

  constructor(keys, policy) {
    const [keysText, policyText] = [encode(keys), encode(policy)];
    this.#native = attempt(() => new core.Verifier(keysText, policyText));
  }

  verify(token, now = Date.now()) {
    return decode(() => this.#native.verify(token, now));
  }
}

/** Classifies requests with the built-in catalogue of agents, which is made ready once. */
export class Classifier {
  #native = new core.Classifier();

  classify(facts = {}) {
    return decode(() => this.#native.classify(encode(facts)));
  }
}
