"use strict";

const { createHash, randomUUID } = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");
const { ApiError, QuiviveError, invalid } = require("../error.js");
const { readService } = require("../origins.js");
const { version } = require("../package.json");
const { Collector } = require("./collector.js");
const { Memory } = require("./memory.js");

const DEFAULT_URL = "https://api.agentshield.io/api/v1";
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** The AgentShield-compatible API with the habits that its documentation asks of clients. */
class AgentShield {
  #credentials;
  #base;
  #options;
  #memory;
  #collector;
  #closing = new AbortController();

  constructor(options = {}) {
    const { apiKey = process.env.AGENTSHIELD_API_KEY, pixelId, projectId, baseUrl = DEFAULT_URL } = options;
    const { timeout = 10_000, retries = 5, cacheTtl = 60_000, cacheEntries = 10_000 } = options;
    const { batchSize = 10, flushInterval = 5_000, onError } = options;
    if (!(Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 100)) {
      throw invalid("batchSize is from 1 to 100");
    }
    const credentials = { "X-AgentShield-Key": apiKey, "X-Pixel-ID": pixelId, "X-AgentShield-Project": projectId };
    this.#credentials = Object.fromEntries(Object.entries(credentials).filter(([, value]) => value));
    this.#base = readService(baseUrl).href.replace(/\/+$/, "");
    this.#options = { timeout, retries };
    this.#memory = new Memory(cacheTtl, cacheEntries);
    this.#collector = new Collector((events) => this.batch(events), { size: batchSize, interval: flushInterval, onError });
    const get = (path, member, query) => this.#call("GET", `/projects${path}`, member, { query });
    this.projects = Object.freeze({
      list: async (query) => get("", "projects", query),
      get: async (id) => get(`/${segment(id)}`, "id"),
      detections: async (id, query) => get(`/${segment(id)}/detections`, "detections", query),
      analytics: async (id, query) => get(`/${segment(id)}/analytics`, "period", query),
    });
  }

  async detect(visit = {}) {
    const { userAgent, ip, headers, url, method } = visit;
    const identity = JSON.stringify([userAgent ?? null, ip ?? null, Object.entries(headers ?? {}).sort()]);
    const key = createHash("sha256").update(identity).digest("base64");
    const json = { userAgent, ip, headers, url, method };
    const known = this.#memory.get(key) ?? (await this.#call("POST", "/detect", "isBot", { json }));
    this.#memory.put(key, known);
    return structuredClone(known);
  }

  async event(event, { wait = false } = {}) {
    const json = known({ timestamp: Math.floor(Date.now() / 1000), ...event });
    return wait ? this.#call("POST", "/event", "success", { json }) : this.#collector.add(json);
  }

  async batch(events) {
    return this.#call("POST", "/batch", "success", { json: { events: events.map(known) } });
  }

  /** Sends the collected events now. */
  async flush() {
    await this.#collector.flush();
  }

  /** Sends the collected events, with one try, and stops collecting. */
  async close() {
    this.#closing.abort();
    await this.#collector.close();
  }

  async #call(method, path, member, { json, query }) {
    if (Object.keys(this.#credentials).length === 0) {
      throw invalid("no credential: give `apiKey` or set `AGENTSHIELD_API_KEY`");
    }
    const url = new URL(this.#base + path);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) {
        url.searchParams.set(name, String(value));
      }
    }
    for (let attempt = 0; ; attempt++) {
      const { answer, failure, wait } = await this.#try(url, method, json, member);
      if (failure === undefined) {
        return answer;
      }
      const pause = Math.max(wait, Math.random() * Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt));
      if (!(pause <= LONGEST_PAUSE) || attempt >= this.#options.retries || !(await this.#pause(pause))) {
        throw failure;
      }
    }
  }

  /** Waits; false when the client is closed meanwhile. */
  async #pause(milliseconds) {
    try {
      await sleep(milliseconds, undefined, { signal: this.#closing.signal });
      return true;
    } catch {
      return false;
    }
  }

  /** One try: the answer, or the failure and how long to wait at least; NaN where another try makes no sense. */
  async #try(url, method, json, member) {
    let response, text;
    try {
      const headers = { Accept: "application/json", "User-Agent": `quivive-node/${version}`, ...this.#credentials };
      const body = json === undefined ? undefined : JSON.stringify(json);
      const signal = AbortSignal.timeout(this.#options.timeout);
      const content = body === undefined ? {} : { "Content-Type": "application/json" };
      response = await fetch(url, { method, body, headers: { ...headers, ...content }, redirect: "manual", signal });
      text = await response.text();
    } catch (cause) {
      const message = cause?.name === "TimeoutError" ? "no answer in time" : "connection failed";
      return { failure: new QuiviveError("ConnectionFailed", "CONNECTION_FAILED", message, {}, { cause }), wait: 0 };
    }
    const answer = parse(text);
    if (response.ok && answer !== null && typeof answer === "object" && member in answer) {
      return { answer };
    }
    const code = response.ok ? "MALFORMED_ANSWER" : (answer?.error?.code ?? `HTTP_${response.status}`);
    const isTransient = response.status === 429 || response.status >= 500;
    return {
      failure: new ApiError(response.status, code, answer),
      wait: isTransient ? milliseconds(response.headers.get("retry-after")) : NaN,
    };
  }
}

/** The event with an id, by which the service knows it when it comes twice. */
function known(event) {
  return { id: randomUUID(), ...event };
}

/** A part of a path; what is no project id never becomes one. */
function segment(id) {
  if (typeof id !== "string" || !/^[A-Za-z0-9_]+$/.test(id)) {
    throw invalid("a project id consists of letters, digits and `_`");
  }
  return id;
}

/** What a service asks to wait; it asks in seconds, not by a date. */
function milliseconds(retryAfter) {
  return /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : 0;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

module.exports = { AgentShield };
