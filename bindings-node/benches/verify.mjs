// Verification of one ES256 token: Quivive beside jose, in turns, in one process. Prints one JSON line.

import { createRequire } from "node:module";
import { createLocalJWKSet, jwtVerify } from "jose";

const require = createRequire(import.meta.url);
const { Verifier, generateKey, publicKeys, signToken } = require(process.env.QUIVIVE_PACKAGE ?? "quivive");

const ROUNDS = 15;
const CALLS = 2_000;

const now = Math.floor(Date.now() / 1000);
const key = generateKey({ seed: "07".repeat(32), kid: "bench" });
const keys = publicKeys({ keys: [key] });
const claims = { type: "botcha-verified", sub: "bench", iss: "botcha.ai", iat: now, exp: now + 3600, jti: "1" };
const { token } = signToken({ claims, key });
const verifier = new Verifier({ keys });
const local = createLocalJWKSet(keys);

const contenders = {
  quivive: () => verifier.verify(token),
  jose: () => jwtVerify(token, local, { issuer: "botcha.ai" }),
};
const best = { quivive: Infinity, jose: Infinity };
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, call] of Object.entries(contenders)) {
    const begun = performance.now();
    for (let index = 0; index < CALLS; index += 1) {
      await call();
    }
    best[name] = Math.min(best[name], ((performance.now() - begun) / CALLS) * 1000);
  }
}
console.log(JSON.stringify({ quivive_us: best.quivive, jose_us: best.jose, ratio: best.jose / best.quivive }));
