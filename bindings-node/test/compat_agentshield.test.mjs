// The AgentShield client under the original's name, against a small service of its own.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { AgentShield } from "quivive/compat/agentshield";

const DETECTION = {
  isBot: true,
  confidence: 0.95,
  botType: "ai_agent",
  details: { userAgentBot: true, behavioralBot: false, ipBot: false },
  metadata: { engine: "Quivive/0.1.0", processingTime: 0 },
};

/** Notes every request; answers `answers` first, in their order, then what the path is for. */
class Service {
  requests = [];
  answers = [];

  static async start(test) {
    const service = new Service();
    const server = createServer((request, response) => service.#serve(request, response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    service.baseUrl = `http://127.0.0.1:${server.address().port}/api/v1`;
    test.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return service;
  }

  client(options = {}) {
    return new AgentShield({ apiKey: "as_test_key", baseUrl: this.baseUrl, retries: 0, ...options });
  }

  get events() {
    return this.requests.filter(({ path }) => path.endsWith("/batch")).flatMap(({ body }) => body.events);
  }

  async #serve(request, response) {
    const content = await text(request);
    const body = content === "" ? null : JSON.parse(content);
    const path = request.url.split("?")[0];
    this.requests.push({ path, target: request.url, headers: request.headers, body });
    const [status, answer, headers] = this.answers.shift() ?? [200, this.#answer(path, body), {}];
    response.writeHead(status, headers).end(JSON.stringify(answer));
  }

  #answer(path, body) {
    if (path.endsWith("/detect")) {
      return DETECTION;
    }
    if (path.endsWith("/batch")) {
      const { length } = body.events;
      return { success: true, received: length, accepted: length, rejected: 0, errors: [] };
    }
    return { success: true, eventId: "evt_1", projects: [], detections: [], id: "proj_1", period: "day" };
  }
}

const refusal = (code) => ({ error: { code, message: `because of ${code}`, details: {} } });

async function until(condition) {
  const end = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < end, "it did not happen in time");
    await sleep(10);
  }
}

test("detection is asked with the key and remembered", async (t) => {
  const service = await Service.start(t);
  const shield = service.client();
  const visit = { userAgent: "GPTBot/1.2", ip: "192.0.2.1", headers: { accept: "*/*" } };
  const first = await shield.detect(visit);
  assert.deepEqual(first, DETECTION);
  first.isBot = false;
  assert.deepEqual(await shield.detect(visit), DETECTION);
  await shield.detect({ ...visit, ip: "192.0.2.2" });
  assert.equal(service.requests.length, 2);
  assert.equal(service.requests[0].headers["x-agentshield-key"], "as_test_key");
  assert.deepEqual(service.requests[0].body, visit);
});

test("memory can be off, is bounded and grows old", async (t) => {
  const service = await Service.start(t);
  const [off, small, short] = [{ cacheTtl: 0 }, { cacheEntries: 2 }, { cacheTtl: 50 }].map((o) => service.client(o));
  await off.detect({ userAgent: "a" });
  await off.detect({ userAgent: "a" });
  for (const userAgent of ["a", "b", "c", "a"]) {
    await small.detect({ userAgent });
  }
  await short.detect({ userAgent: "a" });
  await sleep(60);
  await short.detect({ userAgent: "a" });
  assert.equal(service.requests.length, 8);
});

test("events come together to a batch, each with an id of its own", async (t) => {
  const service = await Service.start(t);
  const shield = service.client({ batchSize: 3, flushInterval: 60_000 });
  for (const number of [0, 1, 2]) {
    assert.equal(await shield.event({ event: "click", url: `https://example.org/${number}` }), undefined);
  }
  await until(() => service.events.length === 3);
  assert.deepEqual(service.requests.map(({ path }) => path), ["/api/v1/batch"]);
  assert.equal(new Set(service.events.map(({ id }) => id)).size, 3);
});

test("few events are sent after a while", async (t) => {
  const service = await Service.start(t);
  const shield = service.client({ flushInterval: 20 });
  await shield.event({ event: "page_view", url: "https://example.org/", metadata: { custom: "data" } });
  await until(() => service.events.length === 1);
  assert.deepEqual(service.events[0].metadata, { custom: "data" });
});

test("events are sent when the program ends", async (t) => {
  const service = await Service.start(t);
  const program = `
    import { AgentShield } from "quivive/compat/agentshield";
    await new AgentShield({ apiKey: "as_test_key", baseUrl: "${service.baseUrl}" }).event({ event: "click", url: "https://example.org/" });`;
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: import.meta.dirname });
  assert.equal(service.events.length, 1);
});

test("one event at once gives the answer", async (t) => {
  const service = await Service.start(t);
  const answer = await service.client({ pixelId: "px_1" }).event({ event: "click", url: "https://example.org/" }, { wait: true });
  assert.equal(answer.eventId, "evt_1");
  assert.equal(service.requests[0].headers["x-pixel-id"], "px_1");
});

test("events wait for a service that is down and keep their ids", async (t) => {
  const service = await Service.start(t);
  const shield = service.client({ flushInterval: 60_000 });
  await shield.event({ event: "click", url: "https://example.org/" });
  service.answers = [[503, refusal("INTERNAL_ERROR")]];
  await assert.rejects(shield.flush(), { status: 503 });
  await shield.flush();
  await shield.flush();
  const [first, second] = service.events;
  assert.equal(service.events.length, 2);
  assert.equal(first.id, second.id);
});

test("events that are refused for good are reported as lost", async (t) => {
  const service = await Service.start(t);
  const errors = [];
  const shield = service.client({ flushInterval: 60_000, onError: (error) => errors.push(error) });
  service.answers = [[401, refusal("UNAUTHORIZED")]];
  await shield.event({ event: "click", url: "https://example.org/" });
  await shield.flush();
  await shield.close();
  assert.deepEqual(errors.map(({ code }) => code), ["UNAUTHORIZED"]);
  assert.equal(service.requests.length, 1);
});

test("full window is waited for", async (t) => {
  const service = await Service.start(t);
  service.answers = [[429, refusal("RATE_LIMIT_EXCEEDED"), { "Retry-After": "1" }]];
  const began = performance.now();
  assert.equal((await service.client({ retries: 5 }).detect({ userAgent: "a" })).isBot, true);
  assert.ok(performance.now() - began >= 990);
  assert.equal(service.requests.length, 2);
});

test("more patience than half a minute is not had", async (t) => {
  const service = await Service.start(t);
  service.answers = [[429, refusal("RATE_LIMIT_EXCEEDED"), { "Retry-After": "3600" }]];
  await assert.rejects(service.client({ retries: 5 }).detect({ userAgent: "a" }), { status: 429 });
  assert.equal(service.requests.length, 1);
});

test("closing ends a pause", async (t) => {
  const service = await Service.start(t);
  const shield = service.client({ retries: 5, batchSize: 1, onError: () => undefined });
  service.answers = [[429, refusal("RATE_LIMIT_EXCEEDED"), { "Retry-After": "20" }]];
  await shield.event({ event: "click", url: "https://example.org/" });
  await until(() => service.requests.length === 1);
  const began = performance.now();
  await shield.close();
  assert.ok(performance.now() - began < 10_000);
  const [first, second] = service.events;
  assert.equal(first.id, second.id);
});

test("an event sent again has the same id", async (t) => {
  const service = await Service.start(t);
  service.answers = [[502, refusal("BAD_GATEWAY")], [502, refusal("BAD_GATEWAY")]];
  const shield = service.client({ retries: 5 });
  await shield.event({ event: "click", url: "https://example.org/" }, { wait: true });
  await shield.batch([{ event: "click", url: "https://example.org/", id: "mine" }]);
  const ids = service.requests.filter(({ path }) => path.endsWith("/event")).map(({ body }) => body.id);
  assert.equal(ids.length, 3);
  assert.ok(ids[0]);
  assert.equal(new Set(ids).size, 1);
  assert.deepEqual(service.events.map(({ id }) => id), ["mine"]);
});

test("tries end, and refusals are not tried again", async (t) => {
  const service = await Service.start(t);
  service.answers = [500, 500, 500].map((status) => [status, refusal("INTERNAL_ERROR")]);
  const failed = { status: 500, code: "INTERNAL_ERROR", message: "service answered 500: because of INTERNAL_ERROR" };
  await assert.rejects(service.client({ retries: 2 }).detect({ userAgent: "a" }), failed);
  service.answers = [[400, refusal("INVALID_REQUEST")]];
  await assert.rejects(service.client({ retries: 5 }).detect({ userAgent: "a" }), { code: "INVALID_REQUEST" });
  assert.equal(service.requests.length, 4);
  const nobody = service.client({ baseUrl: "http://127.0.0.1:9/api/v1" });
  await assert.rejects(nobody.detect({ userAgent: "a" }), { code: "CONNECTION_FAILED" });
});

test("projects", async (t) => {
  const service = await Service.start(t);
  const { projects } = service.client();
  await projects.list({ page: 2, limit: 5, search: "shop" });
  await projects.get("proj_1");
  await projects.detections("proj_1", { startDate: "2026-01-01", botType: ["ai_agent", "crawler"], isBot: true });
  await projects.analytics("proj_1", { period: "hour", metrics: "summary,agents" });
  assert.deepEqual(service.requests.map(({ target }) => target.replace("/api/v1/projects", "")), [
    "?page=2&limit=5&search=shop",
    "/proj_1",
    "/proj_1/detections?startDate=2026-01-01&botType=ai_agent%2Ccrawler&isBot=true",
    "/proj_1/analytics?period=hour&metrics=summary%2Cagents",
  ]);
});

test("wrong options are refused", async (t) => {
  const service = await Service.start(t);
  await assert.rejects(service.client({ apiKey: "" }).detect({ userAgent: "a" }), /AGENTSHIELD_API_KEY/);
  for (const options of [{ baseUrl: "http://door.example/api/v1" }, { baseUrl: "door" }, { batchSize: 0 }, { batchSize: 101 }]) {
    assert.throws(() => service.client(options), { code: "INVALID_INPUT" }, JSON.stringify(options));
  }
  await assert.rejects(service.client().projects.get("../keys"), { code: "INVALID_INPUT" });
});
