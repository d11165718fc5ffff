// Message signatures: made, verified, and taken by classification.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Classifier, SignatureVerifier, signHttpRequest } from "quivive";

const NOW = 1_795_000_000_000;
const AGENT = "https://agent.example";
// RFC 8032 section 7.1, test 1.
const open = { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" };
const key = { ...open, d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" };
const request = { method: "GET", url: "https://shop.example/cart?id=5", headers: {} };
const options = { directories: { [AGENT]: [open] }, policy: { allow_test_keys: true } };

function signed() {
  return { ...request, headers: signHttpRequest({ request, key, signature_agent: AGENT, now: NOW }).headers };
}

test("a signed request is verified and a changed one is not", () => {
  const verifier = new SignatureVerifier(options);
  const found = verifier.verify(signed(), NOW);
  assert.equal(found.summary.status, "verified");
  assert.equal(found.signatures[0].signature_agent, AGENT);
  assert.equal(verifier.verify({ ...signed(), method: "DELETE" }, NOW).signatures[0].reason, "signature_mismatch");
  assert.equal(verifier.verify(signed()).signatures[0].outcome, "invalid", "by the present clock");
  assert.deepEqual(verifier.verify(request), { signatures: [] });
});

test("the summary is what classification takes", () => {
  const signature = new SignatureVerifier(options).verify(signed(), NOW).summary;
  const classified = new Classifier().classify({ user_agent: "Mozilla/5.0", signature, now: NOW });
  assert.equal(classified.verification.method, "http_signature");
});

test("wrong arguments are coded errors", () => {
  const verifier = new SignatureVerifier();
  assert.throws(() => new SignatureVerifier({ keys: [key] }), { code: "INVALID_KEY" });
  assert.throws(() => new SignatureVerifier({ directories: { "http://agent.example": [] } }), { code: "INVALID_INPUT" });
  assert.throws(() => new SignatureVerifier({ key: [] }), { code: "INVALID_INPUT" });
  assert.throws(() => verifier.verify({ headers: [] }), { code: "INVALID_INPUT" });
  assert.throws(() => verifier.verify(request, "now"), { code: "INVALID_INPUT" });
  assert.throws(() => verifier.verify({ headers: { a: Array(1001).fill("b") } }), { code: "LIMIT_EXCEEDED" });
});
