import start, * as core from "./core.js";
import { decode, encode, invalid, wrap } from "../error.js";

/** Loads the wasm file: from beside this module, or from a URL, response, bytes or compiled module. */
export async function initialize(source) {
  await start(source === undefined ? undefined : { module_or_path: source });
}

/** Starts from bytes or a compiled module without waiting. */
export function initializeSync(module) {
  core.initSync({ module });
}

/** Every operation, under its JavaScript name. */
export const operations = { classifyRequest: wrap(core.classifyRequest) };

/** Classifies requests with the built-in catalogue of agents, which is made ready once. */
export class Classifier {
  #native = new core.Classifier();

  classify(facts = {}) {
    return decode(() => this.#native.classify(encode(facts)));
  }

  isBot(userAgent) {
    if (typeof userAgent !== "string") {
      throw invalid("a user agent is a text");
    }
    return this.#native.isBot(userAgent);
  }
}
