// The npm package as a plain module script, without a bundler.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";

import { startBrowser, startService, startSite } from "./service.mjs";

const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };
const folder = process.env.QUIVIVE_WASM_INSTALLED && join(process.env.QUIVIVE_WASM_INSTALLED, "node_modules/quivive-wasm");

let service;
let browser;
let site;

before(async () => {
  assert.ok(folder, "QUIVIVE_WASM_INSTALLED must name a folder in which quivive-wasm is installed");
  service = await startService();
  browser = await startBrowser();
  site = await startSite(({ url }) => {
    if (url === "/") return { body: '<!doctype html><title>Plain</title><link rel="icon" href="data:,">' };
    const file = join(folder, new URL(url, "http://site").pathname);
    return existsSync(file) ? { type: TYPES[extname(file)], body: readFileSync(file) } : undefined;
  });
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await service?.stop();
});

test("a token that the package's client got in the page verifies there, and a tampered one fails by its code", async () => {
  const page = await browser.newPage();
  await page.goto(site.url);
  const seen = await page.evaluate(async (url) => {
    const { Client, QuiviveError, Verifier } = await import("/browser.js");
    const token = await new Client({ url }).botcha.token();
    const keys = await (await fetch(`${url}/.well-known/jwks`)).json();
    const verifier = new Verifier({ keys });
    const { type } = verifier.verify(token);
    try {
      const at = token.length - 20;
      verifier.verify(token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1));
      return { type, failure: "none" };
    } catch (error) {
      return { type, isOurs: error instanceof QuiviveError, name: error.name, code: error.code };
    }
  }, service.url);
  assert.deepEqual(seen, { type: "botcha-verified", isOurs: true, name: "VerificationFailed", code: "SIGNATURE_MISMATCH" });
  await page.close();
});
