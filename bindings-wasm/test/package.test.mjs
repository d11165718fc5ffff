import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { load, packageFolder } from "./installed.mjs";

const quivive = await load();

const NOW = Date.now();

function issue(claims = {}) {
  const key = quivive.generateKey({ seed: randomBytes(32).toString("hex"), kid: "door-1" });
  const seconds = Math.floor(NOW / 1000);
  const standard = { type: "botcha-verified", iss: "botcha.ai", sub: "challenge", iat: seconds, exp: seconds + 60 };
  const { token } = quivive.signToken({ key, claims: { ...standard, ...claims } });
  return { token, keys: quivive.publicKeys({ keys: [key] }) };
}

const failsWith = (code) => (error) => error instanceof quivive.QuiviveError && error.code === code;

test("a handle verifies as the operation does", () => {
  const { token, keys } = issue();
  const verifier = new quivive.Verifier({ keys });
  assert.deepEqual(verifier.verify(token, NOW), quivive.verifyToken({ token, keys, now: NOW }));
  assert.deepEqual(verifier.verify(token), verifier.verify(token, NOW));
});

test("errors have class, code and details", () => {
  const { token, keys } = issue();
  const verifier = new quivive.Verifier({ keys });
  const at = token.length - 20;
  const other = token[at] === "A" ? "B" : "A";
  const forged = token.slice(0, at) + other + token.slice(at + 1);
  assert.throws(() => verifier.verify(forged, NOW), (error) => {
    assert.ok(failsWith("SIGNATURE_MISMATCH")(error) && error instanceof Error);
    assert.equal(error.name, "VerificationFailed");
    assert.deepEqual(error.details, {});
    return true;
  });
  assert.throws(() => verifier.verify(token, NOW + 3_600_000), failsWith("TOKEN_EXPIRED"));
  assert.throws(() => new quivive.Verifier({ keys, unknown: 1 }), failsWith("INVALID_INPUT"));
  assert.throws(() => new quivive.Verifier(), failsWith("INVALID_INPUT"));
  for (const [wrong, at] of [[5, NOW], [token, NaN], [token, "now"]]) {
    assert.throws(() => verifier.verify(wrong, at), failsWith("INVALID_INPUT"));
  }
  assert.throws(() => quivive.verifyToken(), failsWith("INVALID_INPUT"));
  assert.throws(() => quivive.verifyToken({ token, keys, now: 1n }), failsWith("INVALID_INPUT"));
});

test("a classifier knows a declared agent", () => {
  const found = new quivive.Classifier().classify({ user_agent: "Mozilla/5.0 (compatible; GPTBot/1.2)", now: NOW });
  assert.equal(found.is_bot, true);
  assert.equal(found.agent.name, "GPTBot");
});

test("a rule set gives the rules that match", () => {
  const guard = { name: "Guard", expression: 'score < 40 AND path == "/checkout"', action: "challenge" };
  const rules = new quivive.RuleSet({ rules: [guard] });
  assert.deepEqual(rules.matches({ score: 12, path: "/checkout" }), [{ name: "Guard", action: "challenge" }]);
  assert.deepEqual(rules.matches({ score: 12 }), []);
  const wrong = { ...guard, expression: "scorre < 4" };
  assert.throws(() => new quivive.RuleSet({ rules: [wrong] }), failsWith("INVALID_INPUT"));
});

test("a signature verifier tells signed requests from changed ones", () => {
  // RFC 8032 section 7.1, test 1.
  const open = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
  const key = { ...open, d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" };
  const request = { method: "GET", url: "https://shop.example/", headers: {} };
  const { headers } = quivive.signHttpRequest({ request, key, now: NOW });
  const verifier = new quivive.SignatureVerifier({ keys: [open], policy: { allow_test_keys: true } });
  const outcome = (given) => verifier.verify({ ...given, headers }, NOW).signatures[0].outcome;
  assert.equal(outcome(request), "verified");
  assert.equal(outcome({ ...request, method: "PUT" }), "invalid");
  assert.throws(() => new quivive.SignatureVerifier({ keys: [key] }), failsWith("INVALID_KEY"));
});

test("the manual entry starts from bytes and shares its state with no other entry's start", async () => {
  const manual = await load("quivive-wasm/manual");
  manual.initializeSync(readFileSync(join(packageFolder, "core_bg.wasm")));
  const { token, keys } = issue();
  assert.equal(manual.verifyToken({ token, keys, now: NOW }).sub, "challenge");
});

test("the package holds no file that is not meant for users", () => {
  const { exports, version } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  const files = [exports["."].node, exports["."].default, exports["."].types, exports["./manual"].default, exports["./manual"].types];
  for (const file of files) assert.ok(readFileSync(join(packageFolder, file)).length > 0, file);
  assert.match(version, /^\d+\.\d+\.\d+$/);
});

let server;
let origin;
const seen = [];

before(async () => {
  server = createServer((request, response) => {
    seen.push(request.headers);
    const answers = request.headers["x-botcha-solution"] ?? request.headers["x-botcha-answers"];
    response.setHeader("content-type", "application/json");
    if (answers) return response.end(JSON.stringify({ welcome: true }));
    response.statusCode = 403;
    const problems = [{ num: 42, operation: "sha256_first8" }, ...[7, 100000, 123456, 789012].map((num) => ({ num, operation: "sha256_first8" }))];
    return response.end(JSON.stringify({ error: "BOTCHA_CHALLENGE", challenge: { id: "c-1", problems, timeLimit: "500ms" } }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});

after(() => server.close());

test("the client's fetch meets a challenge, solves it and asks again", async () => {
  const response = await new quivive.Client().fetch(`${origin}/door`);
  assert.equal(response.status, 200, JSON.stringify(seen));
  assert.deepEqual(await response.json(), { welcome: true });
  assert.equal(seen.length, 2);
  assert.match(JSON.stringify(seen[1]), /73475cb4/);
});
