// One error of every class, with its code and name; and both ways to load the package.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as quivive from "quivive";

const NOW = 1_771_156_800_000;
const key = quivive.generateKey({ seed: "07".repeat(32), kid: "door-1" });
const keys = quivive.publicKeys({ keys: [key] });
const claims = { type: "botcha-verified", iss: "botcha.ai", exp: NOW / 1000 + 60, aud: "shop" };
const { token } = quivive.signToken({ claims, key });
const others = quivive.publicKeys({ keys: [quivive.generateKey({ seed: "08".repeat(32), kid: "door-1" })] });

const CASES = {
  InvalidInput: ["INVALID_TOKEN", { token: "not a token", keys, now: NOW }],
  VerificationFailed: ["SIGNATURE_MISMATCH", { token, keys: others, now: NOW }],
  Expired: ["TOKEN_EXPIRED", { token, keys, now: NOW + 60_000 }],
  Denied: ["AUDIENCE_MISMATCH", { token, keys, audience: "bank", now: NOW }],
  Unsupported: ["UNSUPPORTED_ALGORITHM", { token, secret: "s".repeat(32), now: NOW }],
};

for (const [name, [code, input]] of Object.entries(CASES)) {
  test(`${name} has its code`, () => {
    const error = thrownBy(() => quivive.verifyToken(input));
    assert.ok(error instanceof quivive.QuiviveError);
    assert.deepEqual([error.name, error.code], [name, code]);
    assert.ok(error.message.length > 0 && !error.message.startsWith("{"));
    assert.equal(typeof error.details, "object");
  });
}

test("a handle throws as the function does", () => {
  const verifier = new quivive.Verifier({ keys });
  assert.equal(verifier.verify(token, NOW).aud, "shop");
  assert.equal(thrownBy(() => verifier.verify(token)).name, "Expired");
  assert.equal(thrownBy(() => new quivive.Verifier()).code, "INVALID_INPUT");
});

const loop = {};
loop.challenge = loop;
let deep = [];
for (let level = 0; level < 100_000; level += 1) {
  deep = [deep];
}
for (const [what, input] of Object.entries({
  nothing: undefined,
  null: null,
  "a missing member": { token },
  "a number as text": { token: 7, keys, now: NOW },
  "a boolean as number": { token, keys, now: true },
  "a misspelt member": { token, keys, nw: NOW },
  "a big integer": { token, keys, now: 1n },
  "a value that holds itself": loop,
  "deep nesting": { token, keys: deep, now: NOW },
})) {
  test(`${what} is invalid input`, () => {
    const error = thrownBy(() => quivive.verifyToken(input));
    assert.deepEqual([error.name, error.code], ["InvalidInput", "INVALID_INPUT"]);
  });
}

for (const [what, call] of Object.entries({
  "a token that is no text": () => new quivive.Verifier({ keys }).verify(7),
  "a time that is no number": () => new quivive.Verifier({ keys }).verify(token, "now"),
  "a fraction of a millisecond": () => new quivive.Verifier({ keys }).verify(token, NOW + 0.5),
})) {
  test(`${what} is invalid input`, () => {
    assert.deepEqual([thrownBy(call).name, thrownBy(call).code], ["InvalidInput", "INVALID_INPUT"]);
  });
}

test("import and require give the same", () => {
  const required = createRequire(import.meta.url)("quivive");
  const names = Object.keys(quivive).filter((name) => name !== "default" && name !== "module.exports");
  assert.deepEqual(names.sort(), Object.keys(required).sort());
  assert.equal(required.QuiviveError, quivive.QuiviveError);
});

function thrownBy(call) {
  try {
    call();
  } catch (error) {
    return error;
  }
  assert.fail("nothing was thrown");
}
