import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ApiError, Client, QuiviveError } from "quivive";
import { Site } from "./site.mjs";

beforeEach(() => {
  delete process.env.QUIVIVE_URL;
});

test("inline challenge is solved without a service", async (t) => {
  const site = await Site.start(t);
  const response = await new Client().fetch(`${site.url}/inline`);
  assert.equal(response.status, 200);
  assert.equal((await response.json()).welcome, true);
  assert.equal(site.askedFor("/inline").length, 2);
});

test("method, body and headers are sent again", async (t) => {
  const site = await Site.start(t);
  const headers = { "Content-Type": "application/json", "X-Mine": "kept" };
  const init = { method: "PUT", headers, body: JSON.stringify({ order: 7 }) };
  const response = await new Client().fetch(`${site.url}/inline`, init);
  assert.deepEqual(await response.json(), { welcome: true, method: "PUT", body: { order: 7 } });
  assert.deepEqual(site.askedFor("/inline").map((asked) => asked.headers["x-mine"]), ["kept", "kept"]);
  assert.deepEqual(Object.keys(headers), ["Content-Type", "X-Mine"]);
});

test("a Request is taken as by fetch", async (t) => {
  const site = await Site.start(t);
  const request = new Request(`${site.url}/inline`, { headers: { "X-Mine": "kept" } });
  assert.equal((await new Client().fetch(request)).status, 200);
  assert.deepEqual(site.askedFor("/inline").map((asked) => asked.headers["x-mine"]), ["kept", "kept"]);
  const posted = new Request(`${site.url}/inline`, { method: "POST", body: "once" });
  assert.equal((await new Client().fetch(posted)).status, 403);
});

test("token is fetched when asked for and then kept", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url });
  assert.equal((await client.fetch("/token")).status, 200);
  assert.equal((await client.fetch("/token")).status, 200);
  const [first, second, third, ...rest] = site.askedFor("/token").map((asked) => asked.headers.authorization);
  assert.equal(first, undefined);
  assert.match(second, /^Bearer /);
  assert.equal(third, second);
  assert.deepEqual(rest, []);
  assert.equal(site.askedFor("/v1/token/verify").length, 1);
});

test("agent proves itself with the answers of its model", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, appId: "app_1" });
  const asked = [];
  const token = await client.botcha.prove(async (question) => {
    asked.push(question);
    return site.rightAnswer(question);
  });
  assert.deepEqual(asked.map((question) => Object.keys(question).sort()), Array(3).fill(["category", "id", "question"]));
  assert.equal(await client.botcha.token(), token);
  assert.equal((await client.fetch("/token")).status, 200);
  assert.equal(site.askedFor("/v1/token").length, 0);
});

test("wrong answers prove nothing", async (t) => {
  const site = await Site.start(t);
  await assert.rejects(new Client({ url: site.url }).botcha.prove(() => "no idea"), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.code, error.status], ["CHALLENGE_FAILED", 200]);
    assert.equal(error.body.message, "❌ Failed: Failed: reasoning");
    return true;
  });
  assert.equal(site.refreshable.size, 0);
});

test("model is not asked before the speed part is passed", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url });
  const asked = [];
  const model = (question) => {
    asked.push(question.id);
    return site.rightAnswer(question);
  };
  site.failsSpeed = 2;
  await assert.rejects(client.botcha.prove(model), { code: "CHALLENGE_FAILED" });
  assert.equal(asked.length, 0);
  site.failsSpeed = 1;
  assert.ok(await client.botcha.prove(model));
  assert.equal(asked.length, 3);
});

test("failure of the model reaches the caller", async (t) => {
  const site = await Site.start(t);
  const model = () => {
    throw new RangeError("out of words");
  };
  await assert.rejects(new Client({ url: site.url }).botcha.prove(model), RangeError);
});

test("questions are answered at the same time", async (t) => {
  const site = await Site.start(t);
  let resolve;
  const promise = new Promise((resolved) => {
    resolve = resolved;
  });
  let left = 3;
  const model = async (question) => {
    left -= 1;
    if (left === 0) {
      resolve();
    }
    await promise;
    return site.rightAnswer(question);
  };
  assert.ok(await new Client({ url: site.url }).botcha.prove(model));
});

test("unreadable hybrid challenge is refused", async (t) => {
  const site = await Site.start(t);
  for (const posed of [{}, { id: "x", speed: { problems: [1] }, reasoning: { questions: [{ id: 1 }] } }]) {
    site.hybridPosed = posed;
    await assert.rejects(new Client({ url: site.url }).botcha.prove(() => "x"), { code: "MALFORMED_ANSWER" });
  }
});

test("service may come from the environment", async (t) => {
  const site = await Site.start(t);
  process.env.QUIVIVE_URL = site.url;
  assert.equal((await new Client().fetch(`${site.url}/token`)).status, 200);
});

test("token near its end is refreshed", async (t) => {
  const site = await Site.start(t);
  site.lifetime = 59;
  const client = new Client({ url: site.url });
  assert.notEqual(await client.botcha.token(), await client.botcha.token());
  assert.equal(site.askedFor("/v1/token/verify").length, 1);
  assert.equal(site.askedFor("/v1/token/refresh").length, 1);
});

test("failed refresh falls back to a new challenge", async (t) => {
  const site = await Site.start(t);
  site.lifetime = 59;
  const client = new Client({ url: site.url });
  await client.botcha.token();
  site.refreshable.clear();
  await client.botcha.token();
  assert.equal(site.askedFor("/v1/token/refresh").length, 1);
  assert.equal(site.askedFor("/v1/token/verify").length, 2);
});

test("refused token is replaced and the request sent again", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url });
  site.revoked.add(await client.botcha.token());
  assert.equal((await client.fetch("/token")).status, 200);
  assert.equal(site.askedFor("/token").length, 2);
});

test("guard that refuses every token is asked twice only", async (t) => {
  const [site, other] = [await Site.start(t), await Site.start(t)];
  const response = await new Client({ url: site.url }).fetch(`${other.url}/token`);
  assert.equal(response.status, 401);
  assert.deepEqual(await response.json(), { error: "INVALID_TOKEN" });
  assert.equal(other.askedFor("/token").length, 2);
});

test("unreachable token service leaves the refusal", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: "http://127.0.0.1:1" });
  const response = await client.fetch(`${site.url}/token`);
  assert.equal(response.status, 401);
  assert.deepEqual(await response.json(), { error: "INVALID_TOKEN" });
  await assert.rejects(client.botcha.token(), { name: "ConnectionFailed", code: "CONNECTION_FAILED" });
});

test("token is shown only to those who ask", async (t) => {
  const [site, other] = [await Site.start(t), await Site.start(t)];
  other.asksByBearer = false;
  const client = new Client({ url: site.url });
  await client.botcha.token();
  await client.fetch(`${other.url}/token`);
  assert.deepEqual(other.askedFor("/token").map((asked) => asked.headers.authorization), [undefined]);
});

test("given list of origins is closed", async (t) => {
  const [site, other] = [await Site.start(t), await Site.start(t)];
  const client = new Client({ url: site.url, tokenOrigins: ["https://shop.example"] });
  await client.botcha.token();
  assert.equal((await client.fetch(`${other.url}/token`)).status, 401);
  assert.deepEqual(other.askedFor("/token").map((asked) => asked.headers.authorization), [undefined]);
});

test("listed origin is shown a held token at once", async (t) => {
  const [site, other] = [await Site.start(t), await Site.start(t)];
  other.verifier = site.verifier;
  const client = new Client({ url: site.url, tokenOrigins: [other.url] });
  await client.botcha.token();
  assert.equal((await client.fetch(`${other.url}/token`)).status, 200);
  assert.equal(other.askedFor("/token").length, 1);
});

test("own authorization is left alone", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url });
  await client.botcha.token();
  assert.equal((await client.fetch("/token", { headers: { Authorization: "Bearer mine" } })).status, 401);
  assert.deepEqual(site.askedFor("/token").map((asked) => asked.headers.authorization), ["Bearer mine"]);
});

test("redirect to another origin loses the token", async (t) => {
  const [site, other] = [await Site.start(t), await Site.start(t)];
  const client = new Client({ url: site.url });
  await client.botcha.token();
  assert.equal((await client.fetch(`/elsewhere?to=${other.url}/token`)).status, 401);
  assert.match(site.askedFor("/elsewhere")[0].headers.authorization, /^Bearer /);
  assert.deepEqual(other.askedFor("/token").map((asked) => asked.headers.authorization), [undefined]);
});

test("stream is sent once only", async (t) => {
  const site = await Site.start(t);
  const init = { method: "POST", body: new Blob(["{}"]).stream(), duplex: "half" };
  assert.equal((await new Client().fetch(`${site.url}/inline`, init)).status, 403);
  assert.equal(site.askedFor("/inline").length, 1);
});

test("concurrent callers share one renewal", async (t) => {
  const site = await Site.start(t);
  site.delay = 50;
  const client = new Client({ url: site.url });
  const tokens = await Promise.all(Array.from({ length: 8 }, () => client.botcha.token()));
  assert.equal(new Set(tokens).size, 1);
  assert.equal(site.askedFor("/v1/token/verify").length, 1);
});

for (const body of ["", "[]", "null", '{"challenge":1}', '{"challenge":{"id":"a\\r\\nb","problems":[1]}}', "[".repeat(200_000)]) {
  test(`malformed challenge ${body.slice(0, 50)} leaves the refusal unread`, async (t) => {
    const site = await Site.start(t);
    site.malformed = body;
    const response = await new Client().fetch(`${site.url}/malformed`);
    assert.equal(response.status, 403);
    assert.equal(await response.text(), body);
  });
}

for (const [status, body, code] of [
  [200, "[]", "MALFORMED_ANSWER"],
  [200, "<html>", "MALFORMED_ANSWER"],
  [302, "", "HTTP_302"],
  [500, '{"error":"Something broke"}', "HTTP_500"],
  [503, '{"code":"UNAVAILABLE"}', "UNAVAILABLE"],
]) {
  test(`token answer ${status} ${body} is an ApiError`, async (t) => {
    const site = await Site.start(t);
    const original = globalThis.fetch;
    t.after(() => {
      globalThis.fetch = original;
    });
    globalThis.fetch = async () => new Response(body, { status });
    await assert.rejects(new Client({ url: site.url }).botcha.token(), (error) => {
      assert.ok(error instanceof ApiError && error instanceof QuiviveError);
      assert.deepEqual([error.name, error.status, error.code], ["ApiError", status, code]);
      return true;
    });
  });
}

test("late answer is a failed connection", async (t) => {
  const site = await Site.start(t);
  site.delay = 500;
  const client = new Client({ url: site.url, timeout: 50 });
  await assert.rejects(client.botcha.token(), { code: "CONNECTION_FAILED", message: "no answer in time" });
});

test("abort of the caller stays an abort", async (t) => {
  const site = await Site.start(t);
  const aborted = new Client().fetch(`${site.url}/inline`, { signal: AbortSignal.abort() });
  await assert.rejects(aborted, { name: "AbortError" });
});

test("code of the service is the code of the error", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, apiKey: "wrong" });
  await assert.rejects(client.agentshield.detect({ userAgent: "GPTBot" }), { status: 401, code: "INVALID_API_KEY" });
});

test("verdict carries the context", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, privateKey: "sk_test" });
  const verdict = await client.botect.verdict("known", { path: "/checkout", userAgent: "x", loggedIn: true });
  assert.equal(verdict.action, "allow");
  assert.equal(verdict.unavailable, undefined);
  assert.deepEqual(JSON.parse(verdict.reason), { path: "/checkout", ua: "x", logged_in: "1" });
});

test("fault of the service gives a verdict that allows", async (t) => {
  const site = await Site.start(t);
  for (const [privateKey, session] of [["sk_wrong", "known"], ["sk_test", "../v1/token"]]) {
    const { action, verdict, unavailable } = await new Client({ url: site.url, privateKey }).botect.verdict(session);
    assert.deepEqual([action, verdict, unavailable], ["allow", "not_computed", true]);
  }
});

const VERDICT = { verdict: "likely_automated", score: 15, action: "block", detection_ids: [50331649], reason: "Bot." };

test("verdict is handed on without further members", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, privateKey: "sk_test" });
  for (const verdict of ["definite", "confident_automated", "likely_automated", "likely_human", "verified"]) {
    site.verdict = { ...VERDICT, verdict, later: 1, unavailable: true };
    assert.deepEqual(await client.botect.verdict("known"), { ...VERDICT, verdict });
  }
  for (const action of ["allow", "challenge", "block", "log", "delay"]) {
    site.verdict = { ...VERDICT, action };
    assert.deepEqual(await client.botect.verdict("known"), site.verdict);
  }
});

test("answers that cannot be verdicts allow", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, privateKey: "sk_test" });
  const changes = [
    ["verdict", ["bot", null, 1, ["definite"]]],
    ["score", [100, 15.5, "15", -1, null, true]],
    ["action", ["redirect", "BLOCK", null, ["block"]]],
    ["detection_ids", [["a"], [1.5], [2 ** 31], [true], {}, null]],
    ["reason", [null, 1, ["x"]]],
  ].flatMap(([name, values]) => values.map((value) => ({ ...VERDICT, [name]: value })));
  for (const answer of [{ action: "block" }, [], "<html>", ...changes]) {
    site.verdict = answer;
    const { action, unavailable } = await client.botect.verdict("known");
    assert.deepEqual([action, unavailable], ["allow", true], JSON.stringify(answer));
  }
});

test("without evidence nobody is refused", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, privateKey: "sk_test" });
  for (const [verdict, score, action] of [["not_computed", 50, "allow"], ["definite", 0, "allow"], ["verified", 0, "block"]]) {
    site.verdict = { ...VERDICT, verdict, score };
    assert.deepEqual(await client.botect.verdict("known"), { ...VERDICT, verdict, score, action });
  }
});

test("what cannot be a session token is not sent", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, privateKey: "sk_test" });
  for (const session of ["", ".", "..", "a/b", "a%2Fb", "known\n", "k\u00e9", "\ud800", "a".repeat(129), undefined, ["known"]]) {
    const { action, unavailable } = await client.botect.verdict(session);
    assert.deepEqual([action, unavailable], ["allow", true]);
  }
  assert.deepEqual(site.asked, []);
  await client.botect.verdict(`${"a".repeat(126)}_-`);
  assert.equal(site.asked.length, 1);
});

test("only the beginning of a large answer is read", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, privateKey: "sk_test" });
  const room = 262_144 - JSON.stringify({ ...VERDICT, reason: "" }).length;
  site.verdict = { ...VERDICT, reason: "x".repeat(room) };
  assert.equal((await client.botect.verdict("known")).action, "block");
  site.verdict = { ...VERDICT, reason: "x".repeat(room + 1) };
  assert.deepEqual((await client.botect.verdict("known")).unavailable, true);
});

for (const [part, start] of [
  ["header", "HTTP/1.1 200 OK\r\nX-Slow: "],
  ["body", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"],
]) {
  test(`nobody waits for a ${part} that comes byte by byte`, async (t) => {
    const site = await Site.start(t);
    site.drips = start;
    const client = new Client({ url: site.url, privateKey: "sk_test", apiKey: "as_test" });
    const began = performance.now();
    assert.equal((await client.botect.verdict("known")).unavailable, true);
    const late = { code: "CONNECTION_FAILED", message: "no answer in time" };
    await assert.rejects(client.agentshield.detect({ userAgent: "GPTBot" }), late);
    const took = performance.now() - began;
    assert.ok(took > 1_200 && took < 4_000, `${took} ms`);
  });
}

test("detection sends the facts", async (t) => {
  const site = await Site.start(t);
  const client = new Client({ url: site.url, apiKey: "as_test" });
  const detection = await client.agentshield.detect({ userAgent: "GPTBot", ip: "192.0.2.1" });
  assert.equal(detection.isBot, true);
  assert.deepEqual(JSON.parse(detection.metadata.engine), { userAgent: "GPTBot", ip: "192.0.2.1" });
});

test("unsafe service is refused", () => {
  for (const url of ["http://door.example", "https://user:secret@door.example", "https://door.example/?a=1", "ftp://x", "door"]) {
    assert.throws(() => new Client({ url }), { name: "InvalidInput", code: "INVALID_INPUT" }, url);
  }
});

test("calls that need an option say so", async (t) => {
  const site = await Site.start(t);
  await assert.rejects(new Client().botcha.token(), { code: "INVALID_INPUT", message: /QUIVIVE_URL/ });
  await assert.rejects(new Client({ url: site.url }).botect.verdict("known"), { message: /privateKey/ });
  await assert.rejects(new Client({ url: site.url }).agentshield.detect({ userAgent: "x" }), { message: /apiKey/ });
});
