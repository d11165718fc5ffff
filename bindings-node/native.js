"use strict";

const { randomBytes } = require("node:crypto");

const { attempt, decode, encode, invalid, wrap } = require("./error.js");

const native = load();

/** Every operation, under its JavaScript name. */
const operations = Object.fromEntries(
  Object.entries(native)
    .filter(([name]) => /^[a-z]/.test(name))
    .map(([name, call]) => [name, wrap(call)]),
);

class Verifier {
  #native;

  constructor(options = {}) {
    const text = encode(options);
    this.#native = attempt(() => new native.Verifier(text));
  }

  verify(token, now = Date.now()) {
    if (typeof token !== "string" || !Number.isSafeInteger(now)) {
      throw invalid("a token is a text, and `now` a whole number of milliseconds");
    }
    return decode(() => this.#native.verify(token, now));
  }
}

class Classifier {
  #native = new native.Classifier();

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

class RuleSet {
  #native;

  constructor(options = {}) {
    const text = encode(options);
    this.#native = attempt(() => new native.RuleSet(text));
  }

  matches(facts = {}) {
    return decode(() => this.#native.matches(encode(facts)));
  }
}

class DetectionGuard {
  #native;

  constructor(options = {}) {
    const text = encode({ seed: randomBytes(32).toString("hex"), ...options });
    this.#native = attempt(() => new native.DetectionGuard(text));
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

  get signingOrigins() {
    return this.#native.signingOrigins;
  }

  get hasOwnKey() {
    return this.#native.hasOwnKey;
  }
}

class SignatureVerifier {
  #native;

  constructor(options = {}) {
    const text = encode(options);
    this.#native = attempt(() => new native.SignatureVerifier(text));
  }

  verify(request, now = Date.now()) {
    if (!Number.isSafeInteger(now)) {
      throw invalid("`now` is a whole number of milliseconds");
    }
    return decode(() => this.#native.verify(encode(request), now));
  }
}

module.exports = { Classifier, DetectionGuard, RuleSet, SignatureVerifier, Verifier, operations };

function load() {
  const file = `./quivive.${process.platform}-${process.arch}.node`;
  try {
    return require(file);
  } catch (cause) {
    throw new Error(`quivive has no working native module for ${process.platform}-${process.arch} (${file})`, { cause });
  }
}
