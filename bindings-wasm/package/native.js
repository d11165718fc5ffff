import start, * as core from "./core.js";
import { attempt, decode, encode, invalid, wrap } from "./error.js";

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

/** Verifies tokens with one set of keys, under one policy; both are read once. */
export class Verifier {
  #native;

  constructor(options = {}) {
    const text = encode(options);
    this.#native = attempt(() => new core.Verifier(text));
  }

  verify(token, now = Date.now()) {
    if (typeof token !== "string" || !Number.isSafeInteger(now)) {
      throw invalid("a token is a text, and `now` a whole number of milliseconds");
    }
    return decode(() => this.#native.verify(token, now));
  }
}

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

/** Evaluates the rules of a site's owner, which are checked and prepared once. */
export class RuleSet {
  #native;

  constructor(options = {}) {
    const text = encode(options);
    this.#native = attempt(() => new core.RuleSet(text));
  }

  matches(facts = {}) {
    return decode(() => this.#native.matches(encode(facts)));
  }
}

/** Decides about every request of a site, in this process; options are checked and prepared once. */
export class DetectionGuard {
  #native;

  constructor(options = {}) {
    const text = encode({ seed: seed(), ...options });
    this.#native = attempt(() => new core.DetectionGuard(text));
  }

  check(request = {}) {
    return decode(() => this.#native.check(encode({ now: Date.now(), ...request })));
  }

  setDirectory(fetched = {}) {
    attempt(() => this.#native.setDirectory(encode(fetched)));
  }

  setPolicy(policy = {}) {
    attempt(() => this.#native.setPolicy(encode(policy)));
  }

  enquiry(request = {}) {
    return decode(() => this.#native.enquiry(encode({ now: Date.now(), ...request })));
  }

  setFeeds(table = {}) {
    attempt(() => this.#native.setFeeds(encode(table)));
  }

  wantedDirectories(request = {}) {
    return decode(() => this.#native.wantedDirectories(encode({ now: Date.now(), ...request })));
  }

  get hasOwnKey() {
    return this.#native.hasOwnKey;
  }
}

/** 32 random bytes as hexadecimal text. */
function seed() {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Verifies message signatures with one set of keys, under one policy; both are read once. */
export class SignatureVerifier {
  #native;

  constructor(options = {}) {
    const text = encode(options);
    this.#native = attempt(() => new core.SignatureVerifier(text));
  }

  verify(request, now = Date.now()) {
    if (!Number.isSafeInteger(now)) {
      throw invalid("`now` is a whole number of milliseconds");
    }
    return decode(() => this.#native.verify(encode(request), now));
  }
}
