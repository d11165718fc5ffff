"use strict";

/** Remembers answers for a while; when full, forgets the oldest. */
class Memory {
  #lifetime;
  #entries;
  #known = new Map();

  constructor(lifetime, entries) {
    this.#lifetime = lifetime;
    this.#entries = entries;
  }

  /** The answer, unless it is too old. */
  get(key) {
    const found = this.#known.get(key);
    return found !== undefined && performance.now() < found.until ? found.answer : undefined;
  }

  /** Remembers an answer, unless it is known. */
  put(key, answer) {
    if (this.#lifetime <= 0 || this.#entries < 1 || this.get(key) !== undefined) {
      return;
    }
    this.#known.delete(key);
    this.#known.set(key, { answer, until: performance.now() + this.#lifetime });
    if (this.#known.size > this.#entries) {
      this.#known.delete(this.#known.keys().next().value);
    }
  }
}

module.exports = { Memory };
