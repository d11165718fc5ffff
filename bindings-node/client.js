"use strict";

const { ApiError, QuiviveError, invalid } = require("./error.js");
const { operations } = require("./native.js");
const { Origins, readService, readUrl } = require("./origins.js");
const { Tokens } = require("./tokens.js");
const { version } = require("./package.json");

const LARGEST_ANSWER = 262_144;
const LONGEST_CONTEXT = 2_048;
const VERDICT_TIMEOUT = 1_000;
const DETECT_TIMEOUT = 250;
const CHALLENGE_FAILED = "CHALLENGE_FAILED";
const SESSION_TOKEN = /^[A-Za-z0-9_-]{1,128}$/;
const ACTIONS = ["allow", "challenge", "block", "log", "delay"];
const BANDS = ["not_computed", "definite", "confident_automated", "likely_automated", "likely_human", "verified"];
const HIGHEST_SCORE = 99;
const UNAVAILABLE = {
  verdict: "not_computed",
  score: 0,
  action: "allow",
  detection_ids: [],
  reason: "Score not available; allowing by default.",
  unavailable: true,
};

/** Fetches pages, and meets what their guards ask for. */
class Client {
  #service;
  #options;
  #origins;
  #tokens = new Tokens();
  #renewal;

  constructor({ url = process.env.QUIVIVE_URL?.trim(), tokenOrigins, ...options } = {}) {
    this.#service = url ? readService(url) : undefined;
    this.#origins = new Origins(this.#service, tokenOrigins);
    this.#options = { timeout: 30_000, userAgent: `quivive-node/${version}`, ...options };
    this.botcha = Object.freeze({ token: () => this.#token(), prove: (answer) => this.#prove(answer) });
    this.botect = Object.freeze({ verdict: (session, context) => this.#verdict(session, context) });
    this.agentshield = Object.freeze({ detect: (visit) => this.#detect(visit) });
  }

  async fetch(url, init = {}) {
    const { timeout } = this.#options;
    const target = readUrl(url instanceof Request ? url.url : url, "URL", this.#service);
    const headers = new Headers(init.headers ?? (url instanceof Request ? url.headers : undefined));
    const send = (extra) => {
      const request = new Request(url instanceof Request ? url : target, { ...init, headers: merge(headers, extra) });
      return this.#send(request, timeout, init.signal);
    };
    const hasOwnToken = headers.has("authorization");
    let token;
    if (!hasOwnToken && this.#tokens.isHeld && this.#origins.mayHaveToken(target)) {
      token = await this.#tokenOrNone();
    }
    let response = await send(bearer(token));
    if (!canBeSentAgain(url, init)) {
      return response;
    }
    if (!hasOwnToken && this.#asksForToken(target, response)) {
      token = await this.#tokenOrNone(token);
      if (token === undefined) {
        return response;
      }
      await response.body?.cancel();
      response = await send(bearer(token));
    }
    const answer = await answerTo(target, response);
    if (answer === undefined) {
      return response;
    }
    await response.body?.cancel();
    const { appId } = this.#options;
    return send({ ...answer, ...(appId && { "X-Botcha-App-Id": appId }) });
  }

  async #verdict(session, { path, ip, country, userAgent, loggedIn } = {}) {
    const { privateKey } = this.#options;
    if (!privateKey) {
      throw invalid("a verdict needs the option `privateKey`");
    }
    if (typeof session !== "string" || !SESSION_TOKEN.test(session)) {
      return unavailable();
    }
    const url = this.#endpoint(`/v1/sessions/${session}/verdict`);
    const logged = loggedIn === undefined ? undefined : String(Number(loggedIn));
    const context = { path, ip, country, ua: userAgent, logged_in: logged };
    for (const [name, text] of Object.entries(context)) {
      if (text && text.length <= LONGEST_CONTEXT) {
        url.searchParams.set(name, text);
      }
    }
    try {
      const init = { headers: bearer(privateKey), timeout: VERDICT_TIMEOUT };
      return readVerdict(await this.#call(url, init, "action")) ?? unavailable();
    } catch (error) {
      if (error instanceof QuiviveError) {
        return unavailable();
      }
      throw error;
    }
  }

  async #detect(visit = {}) {
    const { apiKey } = this.#options;
    if (!apiKey) {
      throw invalid("detection needs the option `apiKey`");
    }
    const { userAgent, ip, headers, url, method } = visit;
    const init = {
      method: "POST",
      json: { userAgent, ip, headers, url, method },
      headers: { "X-AgentShield-Key": apiKey },
      timeout: DETECT_TIMEOUT,
    };
    return this.#call(this.#endpoint("/api/v1/detect"), init, "isBot");
  }

  /** The held token unless it was refused or is near its end; concurrent callers wait for one renewal. */
  async #token(refused = undefined) {
    const held = this.#tokens.fresh();
    if (held !== undefined && held !== refused) {
      return held;
    }
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #tokenOrNone(refused = undefined) {
    try {
      return await this.#token(refused);
    } catch (error) {
      if (error instanceof QuiviveError) {
        return undefined;
      }
      throw error;
    }
  }

  /** Trades the refresh token for a new token or, failing that, solves a challenge for one. */
  async #renew() {
    const refresh = this.#tokens.refreshable();
    if (refresh !== undefined) {
      try {
        return this.#tokens.keep(await this.#post("/v1/token/refresh", { refresh_token: refresh }));
      } catch (error) {
        if (!(error instanceof ApiError)) {
          throw error;
        }
        this.#tokens.forgetRefresh();
      }
    }
    const issued = await this.#challenge("/v1/token");
    const { id, answers } = operations.solveInlineChallenge({ body: issued });
    return this.#tokens.keep(await this.#post("/v1/token/verify", { id, answers, ...this.#known() }));
  }

  /** Gets a token by the hybrid challenge; the user's function answers its questions. */
  async #prove(answer) {
    let posed;
    try {
      posed = await this.#pose();
    } catch (error) {
      if (error.code !== CHALLENGE_FAILED) {
        throw error;
      }
      // A machine that was busy at the wrong moment gets a second challenge.
      posed = await this.#pose();
    }
    const ask = async (question) => [question.id, await answer(question)];
    const answers = Object.fromEntries(await Promise.all(posed.reasoning.questions.map(ask)));
    const judged = await this.#submit(posed.id, { reasoning_answers: answers });
    if (judged.success !== true) {
      throw new ApiError(200, CHALLENGE_FAILED, judged);
    }
    return this.#tokens.keep(judged);
  }

  /** Asks for a hybrid challenge and passes its speed part. */
  async #pose() {
    const { challenge } = await this.#challenge("/v1/challenges", { type: "hybrid" });
    const { id, speed, reasoning } = challenge ?? {};
    if (typeof id !== "string" || !Array.isArray(speed?.problems) || !areQuestions(reasoning?.questions)) {
      throw new ApiError(200, "MALFORMED_ANSWER", undefined);
    }
    const { answers } = operations.solveChallenge({ problems: speed.problems });
    const judged = await this.#submit(id, { speed_answers: answers });
    if (judged.speed?.passed !== true || judged.pending !== "reasoning") {
      throw new ApiError(200, CHALLENGE_FAILED, judged);
    }
    return challenge;
  }

  #submit(id, answers) {
    const json = { type: "hybrid", ...answers, ...this.#known() };
    return this.#post(`/v1/challenges/${encodeURIComponent(id)}/verify`, json, "success");
  }

  /** Asks for a challenge and tells the client's time, app and audience. */
  #challenge(path, more = {}) {
    const url = this.#endpoint(path);
    for (const [name, text] of Object.entries({ ts: String(Date.now()), ...more, ...this.#known() })) {
      if (text !== undefined) {
        url.searchParams.set(name, text);
      }
    }
    return this.#call(url, {}, "challenge");
  }

  #known() {
    return { app_id: this.#options.appId, audience: this.#options.audience };
  }

  #post(path, json, member = "access_token") {
    return this.#call(this.#endpoint(path), { method: "POST", json }, member);
  }

  #endpoint(path) {
    if (this.#service === undefined) {
      throw invalid("no service: give `url` or set `QUIVIVE_URL`");
    }
    return new URL(this.#service.href.replace(/\/+$/, "") + path);
  }

  /** Calls the service and returns the JSON object of a success that has the member; `timeout` is for all of it. */
  async #call(url, { method = "GET", headers = {}, json, timeout = this.#options.timeout }, member) {
    const sent = new Headers({ Accept: "application/json", ...headers });
    if (json !== undefined) {
      sent.set("Content-Type", "application/json");
    }
    const body = json === undefined ? undefined : JSON.stringify(json);
    const signal = AbortSignal.timeout(timeout);
    const request = new Request(url, { method, headers: sent, body, redirect: "manual", signal });
    const response = await this.#send(request, timeout);
    const text = await readText(response, signal);
    if (text === undefined) {
      throw connectionFailed(new RangeError(`answer is larger than ${LARGEST_ANSWER} bytes`));
    }
    const answer = parse(text);
    if (!response.ok) {
      throw new ApiError(response.status, codeOf(answer) ?? `HTTP_${response.status}`, answer);
    }
    if (answer === null || typeof answer !== "object" || !(member in answer)) {
      throw new ApiError(response.status, "MALFORMED_ANSWER", answer);
    }
    return answer;
  }

  /** Sends a request and waits for the headers of the response for at most `timeout` milliseconds. */
  async #send(request, timeout, signal = undefined) {
    if (!request.headers.has("user-agent")) {
      request.headers.set("User-Agent", this.#options.userAgent);
    }
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException("no answer in time", "TimeoutError")), timeout);
    try {
      return await fetch(request, { signal: AbortSignal.any([request.signal, late.signal]) });
    } catch (cause) {
      throw signal?.aborted ? cause : connectionFailed(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #asksForToken(target, response) {
    // An answer after a redirect comes from elsewhere; a second try would lose the token on the way there.
    if (response.status !== 401 || !isFrom(target, response) || this.#service === undefined) {
      return false;
    }
    if (/(^|,)\s*bearer(\s|,|$)/i.test(response.headers.get("www-authenticate") ?? "")) {
      this.#origins.noteThatAsked(target);
    }
    return this.#origins.mayHaveToken(target);
  }
}

/** The headers that answer the challenge which a refusal holds. */
async function answerTo(target, response) {
  const media = (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  const isJson = media === "application/json" || media.endsWith("+json");
  if (response.status !== 403 || !isJson || !isFrom(target, response)) {
    return undefined;
  }
  try {
    // A copy is read, so that the response itself stays unread.
    return operations.solveInlineChallenge({ body: parse((await readText(response.clone())) ?? "") }).headers;
  } catch (error) {
    if (error instanceof QuiviveError) {
      return undefined;
    }
    throw error;
  }
}

/** Reads a body until the signal; undefined when it is larger than the limit. */
async function readText(response, signal = undefined) {
  const reader = response.body?.getReader();
  if (reader === undefined) {
    return "";
  }
  // A read that waits ends so as well, whether or not the signal of the request reaches the body.
  const stop = () => reader.cancel().catch(() => undefined);
  signal?.addEventListener("abort", stop);
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) {
        return text + decoder.decode();
      }
      length += value.length;
      if (length > LARGEST_ANSWER) {
        return undefined;
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch (cause) {
    throw connectionFailed(cause);
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

/** Reads the service's answer, undefined when it cannot be a verdict; further members are left out. */
function readVerdict({ verdict, score, action, detection_ids: ids, reason }) {
  const isScore = Number.isInteger(score) && score >= 0 && score <= HIGHEST_SCORE;
  const areIds = Array.isArray(ids) && ids.every((id) => id === (id | 0));
  if (!BANDS.includes(verdict) || !isScore || !ACTIONS.includes(action) || !areIds || typeof reason !== "string") {
    return undefined;
  }
  // Without a score there is no evidence, and without evidence nobody is refused.
  const hasEvidence = verdict === "verified" || (verdict !== "not_computed" && score > 0);
  return { verdict, score, action: hasEvidence ? action : "allow", detection_ids: ids, reason };
}

/** What stands in for a verdict after a fault. */
function unavailable() {
  return { ...UNAVAILABLE, detection_ids: [] };
}

function areQuestions(questions) {
  const isQuestion = (asked) => typeof asked?.id === "string" && typeof asked.question === "string";
  return Array.isArray(questions) && questions.every(isQuestion);
}

function canBeSentAgain(url, { body }) {
  const isRead = url instanceof Request && url.body !== null && body === undefined;
  return !isRead && !(body instanceof ReadableStream) && typeof body?.[Symbol.asyncIterator] !== "function";
}

function isFrom(target, response) {
  return new URL(response.url).origin === target.origin;
}

function merge(headers, extra) {
  const merged = new Headers(headers);
  for (const [name, value] of Object.entries(extra)) {
    merged.set(name, value);
  }
  return merged;
}

function bearer(token) {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The three API families put the code in three places. */
function codeOf(body) {
  const places = [body?.code, body?.error?.code, body?.error];
  return places.find((text) => typeof text === "string" && /^[A-Z0-9_]+$/.test(text));
}

function connectionFailed(cause) {
  const message = cause?.name === "TimeoutError" ? "no answer in time" : "connection failed";
  return new QuiviveError("ConnectionFailed", "CONNECTION_FAILED", message, {}, { cause });
}

module.exports = { Client };
