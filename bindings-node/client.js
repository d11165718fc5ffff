"use strict";

const { ApiError, QuiviveError, invalid } = require("./error.js");
const { operations } = require("./native.js");
const { Origins, readService, readUrl } = require("./origins.js");
const { Tokens } = require("./tokens.js");
const { version } = require("./package.json");

const LARGEST_CHALLENGE = 262_144;
const LONGEST_CONTEXT = 2_048;
const VERDICT_TIMEOUT = 1_000;
const DETECT_TIMEOUT = 250;
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
    this.botcha = Object.freeze({ token: () => this.#token() });
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
    const url = this.#endpoint(`/v1/sessions/${encodeURIComponent(session)}/verdict`);
    const logged = loggedIn === undefined ? undefined : String(Number(loggedIn));
    const context = { path, ip, country, ua: userAgent, logged_in: logged };
    for (const [name, text] of Object.entries(context)) {
      if (text && text.length <= LONGEST_CONTEXT) {
        url.searchParams.set(name, text);
      }
    }
    try {
      return await this.#call(url, { headers: bearer(privateKey), timeout: VERDICT_TIMEOUT }, "action");
    } catch (error) {
      if (error instanceof QuiviveError) {
        return { ...UNAVAILABLE, detection_ids: [] };
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
    const { appId, audience } = this.#options;
    const url = this.#endpoint("/v1/token");
    for (const [name, text] of Object.entries({ ts: String(Date.now()), app_id: appId, audience })) {
      if (text !== undefined) {
        url.searchParams.set(name, text);
      }
    }
    const issued = await this.#call(url, {}, "challenge");
    const { id, answers } = operations.solveInlineChallenge({ body: issued });
    return this.#tokens.keep(await this.#post("/v1/token/verify", { id, answers, app_id: appId, audience }));
  }

  #post(path, json) {
    return this.#call(this.#endpoint(path), { method: "POST", json }, "access_token");
  }

  #endpoint(path) {
    if (this.#service === undefined) {
      throw invalid("no service: give `url` or set `QUIVIVE_URL`");
    }
    return new URL(this.#service.href.replace(/\/+$/, "") + path);
  }

  /** Calls the service and returns the JSON object of a success that has the member. */
  async #call(url, { method = "GET", headers = {}, json, timeout = this.#options.timeout }, member) {
    const sent = new Headers({ Accept: "application/json", ...headers });
    if (json !== undefined) {
      sent.set("Content-Type", "application/json");
    }
    const body = json === undefined ? undefined : JSON.stringify(json);
    const signal = AbortSignal.timeout(timeout);
    const request = new Request(url, { method, headers: sent, body, redirect: "manual", signal });
    const response = await this.#send(request, timeout);
    const text = await response.text().catch((cause) => {
      throw connectionFailed(cause);
    });
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
    return operations.solveInlineChallenge({ body: parse(await readCopy(response)) }).headers;
  } catch (error) {
    if (error instanceof QuiviveError) {
      return undefined;
    }
    throw error;
  }
}

/** Reads a copy of the body up to the limit, so that the response itself stays unread. */
async function readCopy(response) {
  const reader = response.clone().body?.getReader();
  if (reader === undefined) {
    return "";
  }
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return text + decoder.decode();
      }
      length += value.length;
      if (length > LARGEST_CHALLENGE) {
        return "";
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch (cause) {
    throw connectionFailed(cause);
  } finally {
    reader.cancel().catch(() => undefined);
  }
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
