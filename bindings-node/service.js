"use strict";

const { ApiError, QuiviveError, invalid } = require("./error.js");
const { readService } = require("./origins.js");
const { version } = require("./package.json");

const API = "/api/v1";
const MOST_WAITING = 100;
const MOST_REPORTS = 1_000;
const MOST_REPORTING = 8;
const LARGEST = 1_048_576;
const POLICY_TIMEOUT = 3_000;
const PAUSE = 60_000;
const REFUSALS = [401, 403, 404];

/** Calls a service that speaks AgentShield's API: asked before a decision, or told after it. */
class Service {
  #base;
  #headers;
  #timeout;
  #fail;
  #waiting = 0;
  #reports = [];
  #reporting = 0;

  constructor({ apiUrl, apiKey, projectId, timeout = 250 }, fail) {
    const url = apiUrl ?? process.env.QUIVIVE_URL;
    const key = apiKey ?? (process.env.AGENTSHIELD_API_KEY || process.env.CHECKPOINT_API_KEY);
    if (!url) {
      throw invalid("no service: give `apiUrl` or set `QUIVIVE_URL`");
    }
    if (!key) {
      throw invalid("no credential: give `apiKey` or set `AGENTSHIELD_API_KEY`");
    }
    if (!(typeof timeout === "number" && timeout > 0 && timeout <= 60_000)) {
      throw invalid("timeout is a number of milliseconds, above 0 and up to 60,000");
    }
    const base = readService(url).href.replace(/\/+$/, "");
    this.#base = base.endsWith(API) ? base : base + API;
    const project = projectOf(projectId);
    this.#headers = {
      Accept: "application/json",
      "User-Agent": `quivive-node/${version}`,
      "X-AgentShield-Key": key,
      ...(project ? { "X-AgentShield-Project": project } : {}),
    };
    this.#timeout = timeout;
    this.#fail = fail;
  }

  /** What a request looks like, as the guard takes it; fails at once where too many wait already. */
  async ask(enquiry) {
    if (this.#waiting >= MOST_WAITING) {
      throw new QuiviveError("ConnectionFailed", "CONNECTION_FAILED", "too many requests wait for the service");
    }
    this.#waiting += 1;
    try {
      return await this.#detect(enquiry);
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Tells about a request that was decided here, soon; what finds no room is dropped. */
  report(enquiry) {
    if (this.#reports.length < MOST_REPORTS) {
      this.#reports.push(enquiry);
      if (this.#reporting < MOST_REPORTING) {
        this.#deliver();
      }
    }
  }

  /** A project's policy and its tag; nothing where it is still the one of this tag. */
  async policy(project, tag) {
    const headers = tag === undefined ? {} : { "If-None-Match": tag };
    const response = await this.#call("GET", `/projects/${project}/policy`, POLICY_TIMEOUT, { headers });
    if (response.status === 304 && tag !== undefined) {
      return undefined;
    }
    return { policy: bodyOf(response, "defaultAction"), tag: response.tag };
  }

  async #deliver() {
    this.#reporting += 1;
    // After the request, whose answer is not to wait for this.
    await new Promise((resolve) => setImmediate(resolve));
    for (let enquiry; (enquiry = this.#reports.shift()) !== undefined; ) {
      await this.#detect(enquiry).catch(this.#fail);
    }
    this.#reporting -= 1;
  }

  async #detect(enquiry) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(enquiry);
    const told = bodyOf(await this.#call("POST", "/detect", this.#timeout, { headers, body }), "isBot");
    return { is_bot: told.isBot, confidence: told.confidence, bot_type: told.botType };
  }

  /** The whole answer, within so many milliseconds and 1 MiB. */
  async #call(method, path, timeout, { headers, body }) {
    try {
      const signal = AbortSignal.timeout(timeout);
      const all = { ...this.#headers, ...headers };
      const response = await fetch(this.#base + path, { method, headers: all, body, redirect: "manual", signal });
      const text = await textOf(response);
      return { status: response.status, ok: response.ok, tag: response.headers.get("etag") ?? undefined, text };
    } catch (cause) {
      const message = cause?.name === "TimeoutError" ? "the service did not answer in time" : "connection failed";
      throw new QuiviveError("ConnectionFailed", "CONNECTION_FAILED", message, {}, { cause });
    }
  }
}

/**
 * Keeps the policy of a guard that of its project, off the request.
 *
 * It is fetched at the start, and again when it is old; one that cannot be renewed goes on counting, and is asked for
 * again after a minute or when it would have been old, whichever comes first; after a refusal, whichever comes last.
 */
class PolicySource {
  #service;
  #project;
  #life;
  #take;
  #fail;
  #tag;
  #due = 0;

  constructor(service, { project, life }, take, fail) {
    this.#service = service;
    this.#project = project;
    this.#life = life;
    this.#take = take;
    this.#fail = fail;
  }

  /** Begins to fetch the policy where it is due. */
  renew() {
    if (performance.now() >= this.#due) {
      this.#due = Infinity;
      this.#fetch();
    }
  }

  async #fetch() {
    let pause = Math.min(this.#life, PAUSE);
    try {
      const news = await this.#service.policy(this.#project, this.#tag);
      if (news !== undefined) {
        this.#take(news.policy);
        this.#tag = news.tag;
      }
      pause = this.#life;
    } catch (error) {
      if (REFUSALS.includes(error?.status)) {
        pause = Math.max(this.#life, PAUSE);
      }
      this.#fail(error);
    }
    this.#due = performance.now() + pause;
  }
}

/** Whose policy is fetched, and for how many milliseconds it is fresh. */
function policyPlan(chosen, { projectId }) {
  const { projectId: own, cacheTtlSeconds = 300 } = chosen === true ? {} : chosen;
  const project = own ?? projectOf(projectId);
  if (typeof project !== "string" || !/^[A-Za-z0-9_]+$/.test(project)) {
    throw invalid("no project: give `projectId` or set `CHECKPOINT_PROJECT_ID`");
  }
  if (!(typeof cacheTtlSeconds === "number" && cacheTtlSeconds >= 1 && cacheTtlSeconds <= 86_400)) {
    throw invalid("cacheTtlSeconds is from 1 to 86,400");
  }
  return { project, life: 1_000 * cacheTtlSeconds };
}

module.exports = { PolicySource, Service, policyPlan };

function projectOf(given) {
  return given ?? (process.env.CHECKPOINT_PROJECT_ID || undefined);
}

async function textOf(response) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST) {
      throw invalid("the service's answer is larger than 1 MiB");
    }
  }
  return Buffer.concat(chunks).toString();
}

/** The JSON object of a success that has the member. */
function bodyOf({ status, ok, text }, member) {
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: then there is no such member.
  }
  if (!ok) {
    throw new ApiError(status, body?.error?.code ?? `HTTP_${status}`, body);
  }
  if (body === null || typeof body !== "object" || !(member in body)) {
    throw new ApiError(status, "MALFORMED_ANSWER", body);
  }
  return body;
}
