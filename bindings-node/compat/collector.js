"use strict";

const MOST_AT_ONCE = 100;
const MOST_EVENTS = 10_000;

/** Collects events and sends them when there are enough of them, after a while, and before the program ends. */
class Collector {
  #send;
  #size;
  #interval;
  #onError;
  #events = [];
  #timer;
  #sending = Promise.resolve();
  #atExit = () => this.#sendQuietly();

  constructor(send, { size, interval, onError = warn }) {
    this.#send = send;
    this.#size = size;
    this.#interval = interval;
    this.#onError = onError;
  }

  /** Collects an event. */
  add(event) {
    if (this.#events.length === 0) {
      process.once("beforeExit", this.#atExit);
    }
    this.#events.push(event);
    if (this.#events.length > MOST_EVENTS) {
      this.#events.shift();
      this.#onError(new Error(`an event is lost: ${MOST_EVENTS} wait for a service that does not take them`));
    }
    if (this.#events.length >= this.#size) {
      void this.#sendQuietly();
    } else {
      this.#timer ??= setTimeout(() => this.#sendQuietly(), this.#interval).unref();
    }
  }

  /** Sends all that was collected; after a failure the events that were not taken stay. */
  flush() {
    const all = this.#sending.then(() => this.#sendAll());
    this.#sending = all.catch(() => undefined);
    return all;
  }

  /** Sends what is left; what cannot be sent is lost. */
  async close() {
    await this.#sendQuietly();
    this.#events = [];
    this.#rest();
  }

  async #sendQuietly() {
    try {
      await this.flush();
    } catch (error) {
      this.#onError(error);
    }
  }

  async #sendAll() {
    this.#rest();
    while (this.#events.length > 0) {
      const batch = this.#events.splice(0, MOST_AT_ONCE);
      try {
        await this.#send(batch);
      } catch (error) {
        if (!isFinal(error)) {
          this.#events.unshift(...batch);
          this.#timer ??= setTimeout(() => this.#sendQuietly(), this.#interval).unref();
          throw error;
        }
        this.#onError(error);
      }
    }
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    process.removeListener("beforeExit", this.#atExit);
  }
}

/** Whether the service will never take the batch. */
function isFinal({ status }) {
  return status >= 400 && status < 500 && status !== 429;
}

function warn(error) {
  process.emitWarning(error.message, { type: "QuiviveWarning", code: error.code });
}

module.exports = { Collector };
