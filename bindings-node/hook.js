"use strict";

const MOST_WAITING = 1_000;

/** Calls a function of the site after the request, in order; what finds no room is dropped. */
class Hook {
  #call;
  #warn;
  #waiting = 0;

  constructor(call, warn) {
    this.#call = call;
    this.#warn = warn;
  }

  tell(argument) {
    if (this.#waiting < MOST_WAITING) {
      this.#waiting += 1;
      setImmediate(() => this.#run(argument));
    }
  }

  async #run(argument) {
    try {
      await this.#call(argument);
    } catch (error) {
      this.#warn(`a hook of the detection guard failed: ${error?.message}`);
    } finally {
      this.#waiting -= 1;
    }
  }
}

module.exports = { Hook };
