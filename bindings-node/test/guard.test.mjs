// The detection guard in front of sites made with each framework, asked over HTTP through a real server.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { signatureHeaders } from "web-bot-auth";
import { signerFromJWK } from "web-bot-auth/crypto";
import express from "express";
import { Hono } from "hono";
import { DetectionGuard } from "quivive";
import { detectAgents } from "quivive/express";
import * as guardedHono from "quivive/hono";

import { GPTBOT, PERSON, SITES, ask } from "./guarded.mjs";

const SECRET = "0123456789abcdef0123456789abcdef";
const tracking = { enabled: true, encryptionKey: SECRET };

for (const [name, start] of Object.entries(SITES)) {
  /** A test of a site; `serve` starts one and gives what asks it. */
  const holds = (what, check) =>
    test(`${name}: ${what}`, (context) => {
      const serve = async (options) => {
        const port = await start(context, options);
        return Object.assign((path, more) => ask(port, path, more), { port });
      };
      return check(serve, context);
    });

  holds("an agent passes by default, and the site is told", async (serve) => {
    const site = await serve();
    const { status, json } = await site("/prices?page=2&q=a%20b");
    assert.equal(status, 200);
    const { path, query, outcome, marks } = json();
    assert.deepEqual([path, query], ["/prices", "page=2&q=a%20b"]);
    assert.equal(outcome.classification.sub_type, "ai_training");
    assert.equal(outcome.client_ip, "127.0.0.1");
    assert.equal(marks["x-agentshield-bot"], "1");
    assert.equal(marks["x-agentshield-type"], "crawler");
    assert.equal(marks["x-agentshield-detection-id"], outcome.detection_id);
  });

  holds("a person passes where agents are blocked", async (serve) => {
    const site = await serve({ onAgentDetected: "block" });
    const answer = await site("/", { headers: PERSON });
    assert.equal(answer.status, 200);
    assert.equal(answer.json().marks["x-agentshield-bot"], "0");
  });

  holds("a body gets through", async (serve) => {
    const site = await serve();
    const headers = [
      ["Content-Type", "application/json"],
      ["Content-Length", "13"],
    ];
    const answer = await site("/orders", { method: "POST", headers, body: '{"amount":20}' });
    assert.deepEqual([answer.status, answer.json().body], [200, '{"amount":20}']);
  });

  holds("a blocked agent is answered in JSON, and the site is not asked", async (serve) => {
    const site = await serve({ onAgentDetected: "block", blockedResponse: { headers: { "X-Why": "agents" } } });
    const answer = await site("/");
    assert.equal(answer.status, 403);
    assert.equal(answer.headers["content-type"], "application/json");
    assert.equal(answer.headers["x-why"], "agents");
    assert.equal(answer.json().code, "POLICY_BLOCKED");
    assert.deepEqual(answer.cookies, []);
    const head = await site("/", { method: "HEAD" });
    assert.deepEqual([head.status, head.content], [403, ""]);
  });

  holds("an agent is sent elsewhere", async (serve) => {
    const site = await serve({ onAgentDetected: "redirect", redirectUrl: "/agents" });
    const answer = await site("/");
    assert.deepEqual([answer.status, answer.headers.location], [302, "/agents"]);
    assert.equal((await site("/agents")).status, 200);
  });

  holds("an agent gets the content of another path", async (serve) => {
    const rewriteUrl = "/for%20agents?from=guard";
    const site = await serve({ onAgentDetected: "rewrite", rewriteUrl, sessionTracking: tracking });
    const answer = await site("/prices?page=2");
    const { path, query, outcome, marks } = answer.json();
    assert.deepEqual([path, query, outcome.action], ["/for agents", "from=guard", "rewrite"]);
    assert.equal(marks["x-agentshield-action"], "rewrite");
    assert.equal(answer.cookies.length, 2);
  });

  holds("a challenge is asked for", async (serve) => {
    const site = await serve({ onAgentDetected: "challenge", challengeUrl: "/prove" });
    const answer = await site("/");
    assert.equal(answer.status, 401);
    assert.equal(answer.headers["www-authenticate"], 'Quivive challenge="/prove"');
    assert.ok(answer.headers["accept-signature"]);
  });

  holds("headers that only the guard may set cannot be sent", async (serve) => {
    const site = await serve({ skipPaths: ["/health"] });
    const headers = [
      ["X-AgentShield-Bot", "0"],
      ["x-agentshield-bot", "0"],
      ["X_AgentShield_Verification", "verified"],
      ["X-AgentShield-Anything", "x"],
    ];
    const { marks } = (await site("/", { headers })).json();
    assert.equal(marks["x-agentshield-bot"], "1");
    assert.equal(marks["x-agentshield-verification"], "claimed");
    assert.ok(!("x-agentshield-anything" in marks));
    assert.deepEqual((await site("/health", { headers })).json().marks, {});
    const key = [["X-AgentShield-Key", "as_key"]];
    assert.deepEqual((await site("/health", { headers: key })).json().marks, { "x-agentshield-key": "as_key" });
  });

  holds("nothing is looked at on a skipped path", async (serve) => {
    const site = await serve({ onAgentDetected: "block", skipPaths: ["/health"] });
    assert.equal((await site("/health?full=1")).json().outcome.classification, null);
    assert.equal((await site("/admin/..%2fhealth")).status, 403);
    const expressions = await serve({ onAgentDetected: "block", skipPaths: [/^\/V\d+\/ping$/iu, /\.(?:css|js)$/, "^/ready$"] });
    for (const [path, status] of [["/v12/ping?full=1", 200], ["/a/b.js", 200], ["/ready", 200], ["/B.JS", 403], ["/x/v1/ping", 403]]) {
      assert.equal((await expressions(path)).status, status, path);
    }
    await assert.rejects(serve({ skipPaths: [/^\/(?=a)/] }), { code: "INVALID_INPUT" });
  });

  holds("a forwarded address counts only from a trusted proxy", async (serve) => {
    const headers = [["X-Forwarded-For", "203.0.113.4, 198.51.100.1"]];
    const alone = await serve();
    assert.equal((await alone("/", { headers })).json().outcome.client_ip, "127.0.0.1");
    const behind = await serve({ clientIp: { trustedProxies: ["127.0.0.1"] } });
    assert.equal((await behind("/", { headers })).json().outcome.client_ip, "198.51.100.1");
  });

  holds("an agent is known again by its cookie, beside the cookie of the site", async (serve) => {
    const site = await serve({ sessionTracking: tracking });
    const { cookies } = await site("/");
    assert.equal(cookies.length, 2);
    assert.ok(cookies.some((cookie) => cookie.startsWith("site=1")));
    const noted = cookies.find((cookie) => cookie.startsWith("__agentshield_session="));
    assert.match(noted, /HttpOnly/);
    const again = await site("/", { headers: [["Cookie", noted.split(";")[0]]] });
    assert.ok(again.json().outcome.classification.evidence.some(({ id }) => id === "beh.session_carry"));
  });

  holds("a refused agent gets the cookie too", async (serve) => {
    const site = await serve({ onAgentDetected: "block", sessionTracking: tracking });
    const answer = await site("/");
    assert.equal(answer.status, 403);
    assert.deepEqual(answer.cookies.map((cookie) => cookie.split("=")[0]), ["__agentshield_session"]);
  });

  holds("bytes that are no text do no harm", async (serve) => {
    const site = await serve();
    const headers = [
      ["User-Agent", "caf\u00e9/1 \u00ff"],
      ["X-Odd", "\u00ff\u00fe"],
    ];
    assert.equal((await site("/", { headers })).status, 200);
  });

  holds("hooks are told after the answer, and their faults harm nobody", async (serve) => {
    const told = [];
    const onBlock = (outcome) => {
      told.push(outcome);
      throw new Error("a fault of the site");
    };
    const site = await serve({ onAgentDetected: "block", onBlock, onDetection: async (outcome) => told.push(outcome) });
    assert.equal((await site("/")).status, 403);
    assert.equal((await site("/", { headers: PERSON })).status, 200);
    await until(() => told.length === 2);
    assert.deepEqual(told.map(({ classification }) => classification.sub_type), ["ai_training", "ai_training"]);
  });

  holds("a failure of the guard lets pass without marks of the client", async (serve, context) => {
    context.mock.method(DetectionGuard.prototype, "check", () => {
      throw new Error("broken");
    });
    const errors = [];
    const site = await serve({ onError: (error) => errors.push(error) });
    const headers = [
      ["X-AgentShield-Bot", "0"],
      ["X-AgentShield-Key", "k"],
    ];
    const { marks, outcome } = (await site("/", { headers })).json();
    assert.deepEqual([marks, outcome], [{ "x-agentshield-key": "k" }, null]);
    await until(() => errors.length === 1);
    const closed = await serve({ failOpen: false });
    const answer = await closed("/");
    assert.deepEqual([answer.status, answer.json().code], [503, "DETECTION_UNAVAILABLE"]);
    for (const [options, status] of [
      [{ failOpen: true, policy: { fail_open: false } }, 503],
      [{ failOpen: false, policy: { fail_open: true } }, 200],
      [{ policy: { require: "signed" } }, 503],
      [{ failOpen: true, policy: { require: "signed" } }, 200],
    ]) {
      assert.equal((await (await serve(options))("/")).status, status, JSON.stringify(options));
    }
  });

  holds("a signature by another package is verified once, and false when altered", async (serve) => {
    const agent = newAgent("https://agent.example");
    const site = await serve({ keys: { "https://agent.example": [agent.jwk] } });
    const headers = await agent.sign(site);
    const seen = await classified(site, headers);
    assert.deepEqual([seen.verification.status, seen.verification.method], ["verified", "http_signature"]);
    assert.notEqual((await classified(site, headers)).verification.status, "verified");
    const altered = (await agent.sign(site)).map(([line, value]) =>
      line === "Signature-Input" ? [line, value.replace(/nonce="./, 'nonce="_')] : [line, value],
    );
    const forged = await classified(site, altered);
    assert.deepEqual([forged.verification.status, forged.sub_type], ["spoofed", "spoofed_identity"]);
  });

  holds("keys are fetched for the next request", async (serve, context) => {
    const agent = await publishing(context);
    const site = await serve({ keyDirectories: [agent.origin] });
    assert.equal((await classified(site, await agent.sign(site))).verification.status, "claimed");
    await until(async () => (await classified(site, await agent.sign(site))).verification.status === "verified");
    assert.deepEqual(agent.asked, ["/.well-known/http-message-signatures-directory"]);
  });

  holds("a request waits for keys where a signature is demanded", async (serve, context) => {
    const agent = await publishing(context);
    const site = await serve({ keyDirectories: [agent.origin], policy: { require: "signed" } });
    assert.equal((await classified(site, await agent.sign(site))).verification.status, "verified");
    assert.equal((await site("/prices")).status, 403);
    for (const keyDirectories of [true, false]) {
      const other = await serve({ keyDirectories, policy: { require: "signed" } });
      assert.equal((await other("/prices", { headers: await agent.sign(other) })).status, 403);
    }
    assert.equal(agent.asked.length, 1);
  });
}

test("express: a header given to writeHead stands beside those of the guard", async (context) => {
  const app = express();
  app.use(detectAgents({ sessionTracking: tracking }));
  app.get("/object", (_, response) => response.writeHead(201, "Made", { "Set-Cookie": ["a=1", "b=2"] }).end());
  app.get("/array", (_, response) => response.writeHead(201, ["Set-Cookie", "a=1", "Set-Cookie", "b=2"]).end());
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  for (const path of ["/object", "/array"]) {
    const answer = await ask(server.address().port, path);
    assert.equal(answer.status, 201);
    assert.deepEqual(answer.cookies.map((cookie) => cookie.split("=")[0]), ["a", "b", "__agentshield_session"]);
  }
});

test("express: more header lines than anybody sends are looked at, and marks of the client are not passed on", async (context) => {
  const port = await SITES.express(context, { failOpen: false });
  const headers = [...Array(1_100).fill(["a", "b"]), ["X-AgentShield-Bot", "0"], ["User-Agent", GPTBOT]];
  const answer = await ask(port, "/", { headers });
  assert.deepEqual([answer.status, answer.json().marks["x-agentshield-bot"]], [200, "1"]);
});

test("hono: a rewrite without the application is told to onError, and the request goes on", async () => {
  const errors = [];
  const app = new Hono();
  const options = { onAgentDetected: "rewrite", rewriteUrl: "/for-agents", onError: (error) => errors.push(error) };
  app.use(guardedHono.detectAgents(options));
  app.get("/prices", (context) => context.text("prices"));
  const answer = await app.request("/prices", { headers: { "User-Agent": GPTBOT } });
  assert.equal(await answer.text(), "prices");
  await until(() => errors.length === 1);
  assert.equal(errors[0].code, "INVALID_INPUT");
});

test("a directory that is none is an error, and not asked again at once", async (context) => {
  const answers = [
    [200, {}, '{"keys": []}', "no keys"],
    [200, {}, "nonsense", ""],
    [404, {}, "{}", "404"],
    [302, { Location: "/elsewhere" }, "", "302"],
    [200, {}, `{"keys": [], "more": "${"a".repeat(65_536)}"}`, "64 KiB"],
  ];
  for (const [status, headers, body, word] of answers) {
    const agent = await publishing(context);
    const good = agent.answer;
    agent.answer = { status, headers, body };
    const errors = [];
    const onError = (error) => errors.push(error);
    const port = await SITES.express(context, { keyDirectories: [agent.origin], policy: { require: "signed" }, onError });
    for (let time = 0; time < 3; time += 1) {
      assert.equal((await ask(port, "/prices", { headers: await agent.sign({ port }) })).status, 403);
      agent.answer = good;
    }
    await until(() => errors.length > 0);
    assert.ok(errors[0].message.includes(word), errors[0].message);
    assert.equal(agent.asked.length, 1);
  }
});

test("the catalogued agents that sign are trusted with their keys", () => {
  const { signingOrigins } = new DetectionGuard();
  assert.ok(signingOrigins.includes("https://chatgpt.com"));
  assert.ok(signingOrigins.every((origin) => origin.startsWith("https://")));
});

test("only https origins can be trusted, and a wrong option is refused at once", () => {
  const wrong = [
    { keyDirectories: ["http://agent.example"] },
    { keyDirectories: ["agent.example"] },
    { onAgentDetectd: "block" },
    { onAgentDetected: "refuse" },
    { seed: "07".repeat(32) },
    { redirectUrl: "x\r\ny" },
  ];
  for (const options of wrong) {
    assert.throws(() => detectAgents(options), { code: "INVALID_INPUT" }, JSON.stringify(options));
  }
});

test("a random cookie key is worth a warning, and the variable of earlier packages is one", async (context) => {
  const warnings = [];
  const note = (warning) => warnings.push(warning.message);
  process.on("warning", note);
  context.after(() => process.off("warning", note));
  detectAgents({ sessionTracking: { enabled: true } });
  await until(() => warnings.some((message) => message.includes("no encryption key")));
  warnings.length = 0;
  process.env.AGENTSHIELD_SECRET = SECRET;
  context.after(() => delete process.env.AGENTSHIELD_SECRET);
  const ports = [];
  for (let time = 0; time < 2; time += 1) {
    ports.push(await SITES.express(context, { sessionTracking: { enabled: true } }));
  }
  const host = ["Host", "shop.example"];
  const { cookies } = await ask(ports[0], "/", { headers: [host] });
  const noted = cookies.find((cookie) => cookie.startsWith("__agentshield_session="));
  const again = await ask(ports[1], "/", { headers: [host, ["Cookie", noted.split(";")[0]]] });
  assert.ok(again.json().outcome.classification.evidence.some(({ id }) => id === "beh.session_carry"));
  assert.deepEqual(warnings.filter((message) => message.includes("encryption key")), []);
});

async function classified(site, headers) {
  return (await site("/prices", { headers })).json().outcome.classification;
}

/** An agent that signs with the npm package `web-bot-auth`. */
function newAgent(origin) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const jwk = publicKey.export({ format: "jwk" });
  const sign = async ({ port }) => {
    const signer = await signerFromJWK(privateKey.export({ format: "jwk" }));
    const request = new Request(`http://127.0.0.1:${port}/prices`, { headers: { "Signature-Agent": `"${origin}"` } });
    const created = new Date();
    const expires = new Date(created.getTime() + 120_000);
    const nonce = randomBytes(64).toString("base64");
    const made = await signatureHeaders(request, signer, { created, expires, nonce });
    return [["Signature-Agent", `"${origin}"`], ...Object.entries(made)];
  };
  return { jwk, sign };
}

/** An agent whose keys lie on a real https server. */
async function publishing(context) {
  const folder = mkdtempSync(join(tmpdir(), "quivive-"));
  const [key, cert] = ["key.pem", "cert.pem"].map((file) => join(folder, file));
  const words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost";
  const more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert];
  execFileSync("openssl", [...words.split(" "), ...more], { stdio: "ignore" });
  // The certificate is nobody's but this test's.
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  context.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
  const state = { asked: [] };
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    state.asked.push(request.url);
    const { status, headers, body } = state.answer;
    response.writeHead(status, headers).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  state.origin = `https://localhost:${server.address().port}`;
  const { jwk, sign } = newAgent(state.origin);
  state.answer = { status: 200, headers: {}, body: JSON.stringify({ keys: [jwk] }) };
  return Object.assign(state, { sign });
}

async function until(condition) {
  for (let time = 0; time < 400; time += 1) {
    if (await condition()) {
      return;
    }
    await sleep(20);
  }
  assert.fail("it did not come about");
}
