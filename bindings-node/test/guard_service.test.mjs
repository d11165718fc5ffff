// The detection guard with a service: asked before a decision, told after it, and where the policy comes from.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { detectAgents } from "quivive/express";

import { GPTBOT, SITES, ask } from "./guarded.mjs";

const AGENT = { isBot: true, confidence: 0.99, botType: "ai_agent", details: {}, metadata: {} };
const PERSON = { isBot: false, confidence: 0.02, botType: "human" };
const BLOCKS = { defaultAction: "allow", blockThreshold: 80, updatedAt: "2026-11-22T12:00:00.000Z" };
const CURL = [["User-Agent", "curl/8"]];

for (const name of ["AGENTSHIELD_API_KEY", "CHECKPOINT_API_KEY", "CHECKPOINT_PROJECT_ID", "QUIVIVE_URL"]) {
  delete process.env[name];
}

/** Answers every detection alike, serves one policy with its tag, and keeps what it was sent. */
async function startService(context) {
  const service = { status: 200, answer: AGENT, delay: 0, policy: BLOCKS, tag: '"one"', policyStatus: 200 };
  Object.assign(service, { told: [], policies: [] });
  const server = createServer(async (incoming, response) => {
    const give = (status, body, headers = {}) =>
      response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(body && JSON.stringify(body));
    if (incoming.method === "POST") {
      service.told.push({ path: incoming.url, headers: incoming.headers, body: await json(incoming) });
      await sleep(service.delay);
      return give(service.status, service.answer);
    }
    service.policies.push({ path: incoming.url, headers: incoming.headers });
    const { tag, policyStatus, policy } = service;
    return incoming.headers["if-none-match"] === tag ? give(304) : give(policyStatus, policy, { ETag: tag });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return Object.assign(service, { server, url: `http://127.0.0.1:${server.address().port}` });
}

/** A site whose guard asks a service; `kind` names its framework. */
async function guarded(context, service, options, kind = "express") {
  const errors = [];
  const onError = (error) => errors.push(error);
  const port = await SITES[kind](context, { apiUrl: service.url, apiKey: "as_test", onError, ...options });
  return Object.assign((path, more) => ask(port, path, more), { errors });
}

async function until(condition) {
  const end = Date.now() + 5_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, "it did not happen in time");
    await sleep(10);
  }
}

for (const kind of Object.keys(SITES)) {
  test(`${kind}: the service's figure decides`, async (context) => {
    const service = await startService(context);
    const site = await guarded(context, service, { mode: "remote", onAgentDetected: "block", projectId: "proj_1" }, kind);
    const headers = [...CURL, ["Cookie", "a=b"]];
    assert.equal((await site("/prices?page=2", { headers })).status, 403);
    const [{ path, headers: sent, body }] = service.told;
    assert.equal(path, "/api/v1/detect");
    assert.deepEqual([sent["x-agentshield-key"], sent["x-agentshield-project"]], ["as_test", "proj_1"]);
    assert.deepEqual([body.userAgent, body.ip, body.method, body.url], ["curl/8", "127.0.0.1", "GET", "/prices"]);
    assert.ok(!("cookie" in body.headers));
    service.answer = PERSON;
    assert.equal((await site("/", { headers: [["User-Agent", GPTBOT]] })).status, 200);
  });
}

const FAULTS = {
  slow: (service) => (service.delay = 1_500),
  "an error": (service) => Object.assign(service, { status: 500, answer: { error: { code: "INTERNAL_ERROR" } } }),
  "a refusal": (service) => Object.assign(service, { status: 401, answer: { error: { code: "INVALID_API_KEY" } } }),
  "no detection": (service) => (service.answer = []),
  "an unknown type": (service) => (service.answer = { ...AGENT, botType: "martian" }),
  "an impossible figure": (service) => (service.answer = { ...AGENT, confidence: 7 }),
  gone: (service) => {
    service.server.close();
    service.server.closeAllConnections();
  },
};
for (const [fault, provoke] of Object.entries(FAULTS)) {
  test(`a service that is of no help (${fault}) opens or closes the site as chosen`, async (context) => {
    const service = await startService(context);
    provoke(service);
    for (const [failOpen, status] of [[true, 200], [false, 503]]) {
      const site = await guarded(context, service, { mode: "remote", failOpen });
      const began = Date.now();
      assert.equal((await site("/", { headers: CURL })).status, status);
      assert.ok(Date.now() - began < 1_200);
      await until(() => site.errors.length > 0);
    }
  });
}

test("a closed policy wins over an open option", async (context) => {
  const service = await startService(context);
  service.status = 500;
  const closed = await guarded(context, service, { mode: "remote", failOpen: true, policy: { fail_open: false } });
  assert.equal((await closed("/", { headers: CURL })).status, 503);
});

test("paths that are not looked at are not told", async (context) => {
  const service = await startService(context);
  for (const mode of ["remote", "hybrid"]) {
    const site = await guarded(context, service, { mode, skipPaths: ["/health"] });
    assert.equal((await site("/health")).status, 200);
    await site("/prices");
  }
  await until(() => service.told.length === 2);
  assert.deepEqual(service.told.map(({ body }) => body.url), ["/prices", "/prices"]);
});

test("hybrid decides here and tells afterwards", async (context) => {
  const service = await startService(context);
  Object.assign(service, { delay: 800, answer: PERSON });
  const site = await guarded(context, service, { mode: "hybrid", onAgentDetected: "block", timeout: 2_000 });
  const began = Date.now();
  assert.equal((await site("/")).status, 403);
  assert.ok(Date.now() - began < 600);
  await until(() => service.told.length === 1);
  assert.equal(service.told[0].body.userAgent, GPTBOT);
  Object.assign(service, { delay: 0, status: 500 });
  assert.equal((await site("/")).status, 403);
  await until(() => site.errors.length === 1);
});

test("a fetched policy takes the fallback's place, goes on counting when it is old, and is renewed", async (context) => {
  const service = await startService(context);
  service.policyStatus = 503;
  const fetchPolicy = { projectId: "proj_7", cacheTtlSeconds: 1 };
  const site = await guarded(context, service, { fetchPolicy, fallbackPolicy: { enabled: false } });
  const blocks = async () => (await site("/")).status === 403;
  assert.ok(!(await blocks()));
  await until(() => site.errors.length > 0);

  service.policyStatus = 200;
  await until(blocks);
  const [{ path, headers }] = service.policies;
  assert.equal(path, "/api/v1/projects/proj_7/policy");
  assert.equal(headers["x-agentshield-key"], "as_test");
  assert.equal(headers["if-none-match"], undefined);

  const asked = service.policies.length;
  await until(async () => (await blocks()) && service.policies.length > asked);
  assert.equal(service.policies.at(-1).headers["if-none-match"], '"one"');

  const told = site.errors.length;
  Object.assign(service, { policyStatus: 500, tag: '"two"' });
  await until(async () => (await blocks()) && site.errors.length > told);
  Object.assign(service, { policyStatus: 200, policy: { defaultAction: "shout" }, tag: '"three"' });
  await until(async () => (await blocks()) && site.errors.some(({ message }) => message.includes("defaultAction")));
  assert.ok(await blocks());

  Object.assign(service, { policy: { defaultAction: "allow", enabled: false }, tag: '"four"' });
  await until(async () => !(await blocks()));
});

test("a project without a policy leaves the guard's own, and one that only notes keeps nobody out", async (context) => {
  const service = await startService(context);
  const unset = { enabled: false, defaultAction: "allow", updatedAt: null, blockingEnabled: false };
  service.policy = unset;
  const fetchPolicy = { projectId: "proj_7", cacheTtlSeconds: 1 };
  const fallbackPolicy = { require: "signed", fail_open: false };
  const site = await guarded(context, service, { fetchPolicy, fallbackPolicy });
  const passes = async () => (await site("/")).status === 200;
  await until(async () => !(await passes()) && service.policies.length > 1);
  assert.deepEqual(site.errors, []);
  Object.assign(service, { policy: { ...BLOCKS, require: "signed", blockingEnabled: false }, tag: '"two"' });
  await until(passes);
  Object.assign(service, { policy: unset, tag: '"three"' });
  await until(async () => !(await passes()));
});

test("a service that refuses is not asked again and again", async (context) => {
  const service = await startService(context);
  service.policyStatus = 401;
  const site = await guarded(context, service, { fetchPolicy: { projectId: "proj_7", cacheTtlSeconds: 1 } });
  await until(() => site.errors.length > 0);
  await sleep(1_200);
  assert.equal((await site("/")).status, 200);
  assert.equal(service.policies.length, 1);
});

test("the environment names service, key and project", async (context) => {
  const service = await startService(context);
  const given = { QUIVIVE_URL: `${service.url}/api/v1/`, CHECKPOINT_API_KEY: "as_old", CHECKPOINT_PROJECT_ID: "proj_9" };
  Object.assign(process.env, given);
  context.after(() => Object.keys(given).forEach((name) => delete process.env[name]));
  await guarded(context, service, { apiUrl: undefined, apiKey: undefined, fetchPolicy: true });
  await until(() => service.policies.length > 0);
  const [{ path, headers }] = service.policies;
  assert.equal(path, "/api/v1/projects/proj_9/policy");
  assert.deepEqual([headers["x-agentshield-key"], headers["x-agentshield-project"]], ["as_old", "proj_9"]);
});

test("options that cannot be used are refused at the start", () => {
  const at = { apiUrl: "https://api.example", apiKey: "k" };
  for (const [options, message] of [
    [{ mode: "far" }, /mode is/],
    [{ fallbackPolicy: { enabled: false } }, /fetchPolicy/],
    [{ mode: "remote", apiKey: "k" }, /apiUrl/],
    [{ mode: "remote", apiUrl: "https://api.example" }, /apiKey/],
    [{ mode: "remote", apiKey: "k", apiUrl: "http://api.example" }, /https/],
    [{ mode: "remote", apiKey: "k", apiUrl: "https://u:p@api.example" }, /credentials/],
    [{ mode: "remote", ...at, timeout: 0 }, /timeout/],
    [{ mode: "remote", ...at, timeout: "1" }, /timeout/],
    [{ fetchPolicy: true, ...at }, /projectId/],
    [{ fetchPolicy: { projectId: "../x" }, ...at }, /projectId/],
    [{ fetchPolicy: { projectId: "p", cacheTtlSeconds: 0 }, ...at }, /cacheTtlSeconds/],
  ]) {
    assert.throws(() => detectAgents(options), (error) => {
      assert.equal(error.code, "INVALID_INPUT");
      assert.match(error.message, message);
      return true;
    });
  }
});
