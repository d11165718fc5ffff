/**
 * An agent that signs with the npm package web-bot-auth, before a server and before guards.
 *
 *     signer.mjs FOLDER PORT SERVER KEY GUARD...
 *
 * `FOLDER` holds `server.pem`, certificate and key of localhost, and `agent.pem`, an Ed25519 key. The agent publishes
 * that key at https://localhost:PORT. `SERVER` classifies with the API key `KEY`; each `GUARD` lets signed requests in.
 */
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { signatureHeaders } from "web-bot-auth";
import { signerFromJWK } from "web-bot-auth/crypto";

const [folder, port, server, apiKey, ...guards] = process.argv.slice(2);
const origin = `https://localhost:${port}`;
const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const key = createPrivateKey(readFileSync(join(folder, "agent.pem")));
const signer = await signerFromJWK(key.export({ format: "jwk" }));

const pem = readFileSync(join(folder, "server.pem"));
const directory = createServer({ key: pem, cert: pem }, (request, response) => {
  const keys = [createPublicKey(key).export({ format: "jwk" })];
  response.setHeader("Content-Type", "application/http-message-signatures-directory+json");
  response.end(JSON.stringify({ keys }));
});
directory.listen(Number(port), "127.0.0.1");
await once(directory, "listening");

await beforeServer();
for (const guard of guards) {
  await beforeGuard(guard);
}
directory.closeAllConnections();
directory.close();

/** The headers of a GET that the package has signed. */
async function signed(url) {
  const headers = { "Signature-Agent": `"${origin}"`, "User-Agent": browser };
  const created = new Date();
  const expires = new Date(created.getTime() + 120_000);
  const nonce = randomBytes(64).toString("base64");
  return { ...headers, ...(await signatureHeaders(new Request(url, { headers }), signer, { created, expires, nonce })) };
}

async function beforeGuard(url) {
  const page = `${url}/for-signers`;
  const ask = (headers) => fetch(page, { headers });
  const headers = await signed(page);
  const answer = await ask(headers);
  assert.deepEqual([answer.status, await answer.text()], [200, `Hello, ${origin}.\n`], `${page}, signed`);
  assert.equal((await ask(headers)).status, 403, `${page}, sent again`);
  const altered = await ask(await signed("https://other.example/for-signers"));
  assert.deepEqual([altered.status, (await altered.json()).reason], [403, "invalid_signature"], `${page}, altered`);
  assert.equal((await ask({ "User-Agent": browser })).status, 403, `${page}, not signed`);
}

/** What the server says about a request that a site got. */
async function ask(route, facts) {
  const headers = { "X-AgentShield-Key": apiKey, "Content-Type": "application/json" };
  const answer = await fetch(server + route, { method: "POST", headers, body: JSON.stringify({ method: "GET", ...facts }) });
  assert.equal(answer.status, 200, route);
  return answer.json();
}

async function detected(facts) {
  const { extended } = await ask("/api/v1/detect?include=verification,class", facts);
  return [extended.verification.status, extended.verification.method, extended.class.subType];
}

async function enforced(facts) {
  const { data } = await ask("/api/v1/enforce", { ...facts, options: { includeDetectionResult: true } });
  return [data.decision.metadata.signatureVerified, data.detection.verificationMethod];
}

async function beforeServer() {
  const url = "https://shop.example/prices";
  const spoofed = ["spoofed", "http_signature", "spoofed_identity"];
  // The keys are fetched beside the first request.
  for (let time = 0; time < 200 && (await detected({ url, headers: await signed(url) }))[0] !== "verified"; time += 1) {
    await sleep(50);
  }
  let headers = await signed(url);
  assert.deepEqual((await detected({ url, headers })).slice(0, 2), ["verified", "http_signature"], "detect, signed");
  assert.deepEqual(await detected({ url, headers }), spoofed, "detect, sent again");
  const elsewhere = { url: "https://other.example/prices", headers: await signed(url) };
  assert.deepEqual(await detected(elsewhere), spoofed, "detect, altered");
  headers = await signed(url);
  assert.deepEqual(await enforced({ url, headers }), [true, "signature"], "enforce, signed");
  assert.equal((await enforced({ url, headers }))[0], false, "enforce, sent again");
  const altered = { ...(await signed(url)), "Signature-Agent": '"https://agent.example"' };
  assert.equal((await enforced({ url, headers: altered }))[0], false, "enforce, altered");
}
