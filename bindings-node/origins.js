"use strict";

const { invalid } = require("./error.js");

const MOST_ORIGINS = 10_000;
const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Which origins may be shown the token: the service's, those of a list or, without a list, those that asked. */
class Origins {
  #always;
  #asked;

  constructor(service, listed) {
    this.#always = new Set(service ? [service.origin] : []);
    this.#asked = listed === undefined ? new Set() : undefined;
    for (const text of listed ?? []) {
      const url = readUrl(text, "token origin");
      if (!isSafe(url)) {
        throw invalid(`token origin \`${text}\` must be https, or http on a loopback address`);
      }
      this.#always.add(url.origin);
    }
  }

  mayHaveToken(url) {
    return isSafe(url) && (this.#always.has(url.origin) || (this.#asked?.has(url.origin) ?? false));
  }

  noteThatAsked(url) {
    if (this.#asked !== undefined && isSafe(url)) {
      if (this.#asked.size >= MOST_ORIGINS) {
        this.#asked.clear();
      }
      this.#asked.add(url.origin);
    }
  }
}

/** Reads the service's address, in which nothing but an origin and a path may stand. */
function readService(text) {
  const url = readUrl(text, "service URL");
  if (!isSafe(url)) {
    throw invalid("service URL must be https, or http on a loopback address");
  }
  if (url.username || url.password || url.search || url.hash) {
    throw invalid("service URL must not hold credentials, a query or a fragment");
  }
  return url;
}

/** Reads a URL. */
function readUrl(text, what, base = undefined) {
  try {
    return new URL(text, base);
  } catch (cause) {
    throw invalid(`${what} cannot be read`, cause);
  }
}

/** Whether a secret may travel to this address. */
function isSafe(url) {
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}

module.exports = { Origins, readService, readUrl };
