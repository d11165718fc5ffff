// A small guarded site with a token service, whose challenges and tokens are made and checked by the package.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import {
  QuiviveError,
  Verifier,
  checkHybrid,
  checkHybridSpeed,
  checkSolution,
  generateChallenge,
  generateHybrid,
  generateKey,
  publicKeys,
  signToken,
} from "quivive";

/** Guards `/inline` by a challenge, `/token` by a token; issues tokens; counts what it was asked. */
export class Site {
  key = generateKey({ seed: random(32), kid: "door-1" });
  verifier = new Verifier({ keys: publicKeys({ keys: [this.key] }) });
  revoked = new Set();
  refreshable = new Set();
  asked = [];
  lifetime = 3600;
  malformed = "";
  verdict = undefined;
  drips = undefined;
  delay = 0;
  asksByBearer = true;
  failsSpeed = 0;
  hybridPosed = undefined;
  #open = new Map();
  #hybrid = new Map();
  #server = createServer((request, response) => this.#serve(request, response));

  /** Starts a site that ends with the test. */
  static async start(test) {
    const site = new Site();
    site.#server.listen(0, "127.0.0.1");
    await once(site.#server, "listening");
    site.url = `http://127.0.0.1:${site.#server.address().port}`;
    test.after(() => {
      site.#server.closeAllConnections();
      site.#server.close();
    });
    return site;
  }

  askedFor(path) {
    return this.asked.filter((asked) => asked.path === path);
  }

  async #serve(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    const content = await text(request);
    const body = request.headers["content-type"] === "application/json" ? JSON.parse(content) : content;
    this.asked.push({ path: pathname, headers: request.headers, method: request.method });
    if (this.drips !== undefined) {
      return drip(request.socket, this.drips);
    }
    const routes = {
      "/inline": () => this.#inline(request, body),
      "/token": () => this.#token(request),
      "/elsewhere": () => [302, {}, { Location: searchParams.get("to") }],
      "/v1/token": () => this.#tokenChallenge(searchParams),
      "/v1/challenges": () => this.#hybridChallenge(searchParams),
      "/v1/token/verify": () => this.#tokenVerify(body),
      "/v1/token/refresh": () => this.#tokenRefresh(body),
      "/v1/sessions/known/verdict": () => this.#verdict(request, searchParams),
      "/api/v1/detect": () => this.#detect(request, body),
      "/malformed": () => [403, this.malformed],
    };
    if (pathname.startsWith("/v1/challenges/")) {
      routes[pathname] = () => this.#judgeHybrid(pathname.split("/")[3], body);
    }
    const [status, answer, headers] = await (routes[pathname]?.() ?? [404, { error: "NOT_FOUND", message: "nothing" }]);
    response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", ...headers });
    response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
  }

  #newChallenge() {
    const { challenge, question } = generateChallenge({ kind: "speed", seed: random(32), now: Date.now() });
    this.#open.set(question.id, challenge);
    return question;
  }

  #isSolved(id, answers) {
    const challenge = this.#open.get(id);
    this.#open.delete(id);
    return holds(() => checkSolution({ challenge, answers, now: Date.now() }));
  }

  #inline({ headers, method }, body) {
    const answers = JSON.parse(headers["x-botcha-answers"] ?? "null");
    return this.#isSolved(headers["x-botcha-id"], answers)
      ? [200, { welcome: true, method, body }]
      : [403, { error: "BOTCHA_VERIFICATION_FAILED", challenge: this.#newChallenge() }];
  }

  #token({ headers }) {
    const [scheme, token] = (headers.authorization ?? "").split(" ");
    if (scheme === "Bearer" && !this.revoked.has(token) && holds(() => this.verifier.verify(token))) {
      return [200, { welcome: true }];
    }
    const asks = this.asksByBearer ? { "WWW-Authenticate": 'Bearer error="invalid_token"' } : {};
    return [401, { error: "INVALID_TOKEN" }, asks];
  }

  async #tokenChallenge(query) {
    await sleep(this.delay);
    return /^\d+$/.test(query.get("ts")) ? [200, { success: true, challenge: this.#newChallenge(), token: null }] : [400, {}];
  }

  /** What a model would answer: the test reads it where the service keeps it. */
  rightAnswer({ id }) {
    const expected = [...this.#hybrid.values()].flatMap((challenge) => challenge.reasoning.expected);
    return expected.find((right) => right.id === id).answer;
  }

  #hybridChallenge(query) {
    if (query.get("type") !== "hybrid" || !/^\d+$/.test(query.get("ts"))) {
      return [400, {}];
    }
    const now = Date.now();
    const { challenge, question } = generateHybrid({ seed: random(32), client_time: now - 1000, now });
    this.#hybrid.set(question.id, challenge);
    const { id, speed, reasoning } = question;
    const posed = { id, speed: { problems: speed.problems }, reasoning: { questions: reasoning.questions } };
    return [200, { success: true, type: "hybrid", challenge: this.hybridPosed ?? posed }];
  }

  /** Both steps, as the BOTCHA-compatible API has them. */
  #judgeHybrid(id, { type, speed_answers: hashes, reasoning_answers: answers }) {
    const challenge = this.#hybrid.get(id);
    this.#hybrid.delete(id);
    if (type !== "hybrid" || challenge === undefined) {
      return [400, {}];
    }
    const now = Date.now();
    if (hashes !== undefined) {
      const isFailing = this.failsSpeed > 0;
      this.failsSpeed -= 1;
      const judged = checkHybridSpeed({ challenge, speed_answers: isFailing ? null : hashes, now });
      this.#hybrid.set(id, judged.challenge);
      return [200, { success: false, pending: "reasoning", speed: judged.speed, expires_in_ms: 34_000 }];
    }
    const outcome = checkHybrid({ challenge, reasoning_answers: answers, now });
    return [200, outcome.valid ? { success: true, ...this.#issue() } : { success: false, message: `❌ Failed: ${outcome.reason}` }];
  }

  #tokenVerify({ id, answers }) {
    return this.#isSolved(id, answers)
      ? [200, this.#issue()]
      : [403, { success: false, error: "CHALLENGE_FAILED", message: "too slow" }];
  }

  #tokenRefresh({ refresh_token: refresh }) {
    return this.refreshable.has(refresh)
      ? [200, { ...this.#issue(), refresh_token: refresh }]
      : [401, { success: false, error: "INVALID_REFRESH_TOKEN", message: "not found" }];
  }

  #issue() {
    const exp = Math.floor(Date.now() / 1000) + this.lifetime;
    const claims = { type: "botcha-verified", iss: "botcha.ai", jti: random(8), exp };
    const refresh = random(8);
    this.refreshable.add(refresh);
    const access = signToken({ claims, key: this.key }).token;
    return { access_token: access, expires_in: this.lifetime, refresh_token: refresh };
  }

  #verdict({ headers }, query) {
    if (headers.authorization !== "Bearer sk_test") {
      return [401, { error: "Authentication required", code: "UNAUTHENTICATED" }];
    }
    if (this.verdict !== undefined) {
      return [200, this.verdict];
    }
    const reason = JSON.stringify(Object.fromEntries(query));
    return [200, { verdict: "likely_human", score: 75, action: "allow", detection_ids: [], reason }];
  }

  #detect({ headers }, body) {
    if (headers["x-agentshield-key"] !== "as_test") {
      return [401, { error: { code: "INVALID_API_KEY", message: "unknown key" } }];
    }
    const details = { userAgentBot: true, behavioralBot: false, ipBot: false };
    const metadata = { engine: JSON.stringify(body), processingTime: 0 };
    return [200, { isBot: true, confidence: 0.95, botType: "ai_agent", details, metadata }];
  }
}

/** Sends the start of an answer, then one byte now and then. */
async function drip(socket, start) {
  socket.on("error", () => undefined);
  socket.write(start);
  for (let sent = 0; sent < 100 && !socket.destroyed; sent += 1) {
    socket.write("a");
    await sleep(100);
  }
}

function holds(check) {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof QuiviveError) {
      return false;
    }
    throw error;
  }
}

function random(length) {
  return randomBytes(length).toString("hex");
}
