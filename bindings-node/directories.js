"use strict";

const { invalid } = require("./error.js");
const { operations } = require("./native.js");
const { readUrl } = require("./origins.js");

const MEDIA_TYPES = "application/http-message-signatures-directory+json, application/json;q=0.9";
const TIMEOUT = 3_000;
const LARGEST = 65_536;
const MOST_DIRECTORIES = 1_000;
const MOST_UNDER_WAY = 16;
const PAUSE = 60_000;
const SHORTEST_LIFE = 3_600_000;
const LONGEST_LIFE = 86_400_000;

/**
 * Fetches key directories of agents that are trusted, and renews them.
 *
 * Only origins of catalogued agents and those that the site lists are ever asked: by `https`, without redirections, for
 * 3 s and 64 KiB at most. A directory is renewed as its `Cache-Control` says, within an hour and a day; keys that could
 * not be renewed count for a day. A directory is asked again at most once a minute. Where the name of a trusted origin
 * leads is left to its owner: addresses are not looked at.
 */
class KeyDirectories {
  #guard;
  #trusted;
  #fail;
  #known = new Map();
  #underWay = 0;
  #nextDue = Infinity;

  constructor(guard, trusted, fail) {
    const listed = trusted === true ? [] : trusted;
    this.#guard = guard;
    this.#trusted = new Set([...guard.signingOrigins, ...listed].map(originOf));
    this.#fail = fail;
  }

  /** Starts to fetch the keys that a request needs, and those that are due; gives the former. */
  fetch(request) {
    let wanted = [];
    if (request.headers.some(([name]) => name.toLowerCase() === "signature-input")) {
      const urls = this.#guard.wantedDirectories(request).map(({ url }) => url);
      wanted = urls.map((url) => this.#begin(url)).filter((fetching) => fetching !== undefined);
    }
    if (this.#nextDue <= Date.now()) {
      this.#renew();
    }
    return wanted;
  }

  /** The fetch of a directory that is under way or begins; nothing where it may not be asked now. */
  #begin(url) {
    const state = this.#known.get(url) ?? { askedAt: -Infinity };
    if (state.fetching !== undefined) {
      return state.fetching;
    }
    const hasRoom = this.#underWay < MOST_UNDER_WAY && (this.#known.has(url) || this.#known.size < MOST_DIRECTORIES);
    if (!hasRoom || !this.#trusted.has(new URL(url).origin) || Date.now() - state.askedAt < PAUSE) {
      return undefined;
    }
    state.askedAt = Date.now();
    state.fetching = this.#ask(url, state);
    this.#known.set(url, state);
    return state.fetching;
  }

  #renew() {
    const now = Date.now();
    this.#nextDue = now + PAUSE;
    for (const [url, { dueAt }] of this.#known) {
      if (dueAt <= now) {
        this.#begin(url);
      }
    }
  }

  async #ask(url, state) {
    this.#underWay += 1;
    let pause = state.dueAt === undefined ? undefined : PAUSE;
    try {
      const { document, freshFor } = await get(url);
      if (operations.parseKeyDirectory({ document }).keys.length === 0) {
        // Some services answer a fault of theirs with an empty set; it must not displace good keys.
        throw invalid(`${url} holds no keys`);
      }
      this.#guard.setDirectory({ url, document, until: Date.now() + LONGEST_LIFE });
      pause = freshFor;
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#underWay -= 1;
      state.fetching = undefined;
      state.dueAt = pause === undefined ? undefined : Date.now() + pause;
      this.#nextDue = Math.min(this.#nextDue, state.dueAt ?? Infinity);
    }
  }
}

module.exports = { KeyDirectories };

/** A document, and for how many milliseconds it is fresh. */
async function get(url) {
  const signal = AbortSignal.timeout(TIMEOUT);
  const response = await fetch(url, { redirect: "manual", headers: { Accept: MEDIA_TYPES }, signal });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw invalid(`${url} answered ${response.status}`);
  }
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST) {
      throw invalid(`${url} is larger than 64 KiB`);
    }
  }
  const age = /(?:^|,)\s*max-age="?(\d{1,9})/i.exec(response.headers.get("cache-control") ?? "")?.[1];
  const freshFor = Math.min(Math.max(1_000 * Number(age ?? 0), SHORTEST_LIFE), LONGEST_LIFE);
  return { document: Buffer.concat(chunks).toString(), freshFor };
}

function originOf(text) {
  const url = readUrl(text, "origin of a key directory");
  if (url.protocol !== "https:") {
    throw invalid(`\`${text}\` is no https origin`);
  }
  return url.origin;
}
