// What the browser tests stand on: a running server, a browser, and small sites of their own.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createPort } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const PATIENCE_MS = 12_000;

/** The demo seed's credentials. */
export const SITE_KEY = "pk_DemoSiteKey000000000000000000000";
export const PRIVATE_KEY = "sk_DemoPrivateKey00000000000000000000000000000";

/** The server named by QUIVIVE_URL, or one of our own on a free port with its data in a new folder. */
export async function startService(environment = {}, command = []) {
  if (process.env.QUIVIVE_URL && command.length === 0) return { url: process.env.QUIVIVE_URL, stop: async () => {} };
  const program = process.env.QUIVIVE_SERVER ?? fileURLToPath(new URL("../../target/debug/quivive", import.meta.url));
  const data = mkdtempSync(join(tmpdir(), "quivive-browser-"));
  const listen = `127.0.0.1:${await freePort()}`;
  const env = { ...process.env, QUIVIVE_LISTEN: listen, QUIVIVE_DATA: data, QUIVIVE_LIMITS__CHALLENGES_PER_HOUR: "0", ...environment };
  const child = spawn(program, command, { env, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (text) => (log += text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  await waitFor(async () => {
    if (child.exitCode !== null) throw new Error(`the server ended:\n${log}`);
    return fetch(`http://${listen}/-/ready`).then((answer) => answer.ok, () => false);
  }, "the server to be ready");
  return { url: `http://${listen}`, data, stop };
}

/** Chromium without a screen; `options` as Playwright's. */
export function startBrowser(options = {}) {
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"];
  return chromium.launch({ executablePath: process.env.QUIVIVE_CHROMIUM_PATH ?? "/usr/bin/chromium", args, ...options });
}

/** A site on a port of its own; `answer` gets the request and its text and returns `{ type, body, headers, status }`. */
export async function startSite(answer) {
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    const { status = 200, type = "text/html; charset=utf-8", body, headers = {} } = answer(request, text) ?? { status: 404, body: "" };
    response.writeHead(status, { "content-type": type, ...headers });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}

/**
 * An endpoint on another origin that keeps what it got and answers as the server does; `answer` gets the batch and
 * the number of batches before it, and may return another `{ status, body }`.
 */
export async function startRecorder(token, answer = () => undefined) {
  const requests = [];
  const batches = () => requests.map(({ batch }) => batch).filter(Boolean);
  const events = (type) => batches().flatMap((batch) => batch.events).filter((event) => !type || event.type === type);
  const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "content-type, idempotency-key, x-botect-site-key" };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    const batch = text && JSON.parse(text);
    const known = batches().length;
    requests.push({ method: request.method, type: request.headers["content-type"], headers: request.headers, batch, at: Date.now(), bytes: text.length });
    const special = batch ? await answer(batch, known) : undefined;
    const { status, body } = special ?? (request.method === "OPTIONS" ? { status: 204 } : { status: 202, body: { session_token: token, accepted: 1, duplicates: 0 } });
    response.writeHead(status, { "content-type": "application/json", ...cors });
    response.end(body && JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${server.address().port}/events`, requests, batches, events, stop };
}

/** Notes what a page must not do: errors in the console, uncaught errors, requests to hosts not in the list. */
export function watch(page, hosts) {
  const faults = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith("http") && !hosts.includes(origin)) faults.push(`foreign host: ${request.url()}`);
  });
  return faults;
}

/** Every batch that a page sends to the collector's endpoint. */
export function recordBatches(page) {
  const batches = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && new URL(request.url()).pathname === "/v1/events") {
      batches.push({ ...JSON.parse(request.postData()), type: request.headers()["content-type"] });
    }
  });
  return batches;
}

/** Moves as a hand does not quite, scrolls and types. */
export async function behave(page) {
  for (let step = 0; step < 40; step += 1) {
    await page.mouse.move(60 + step * 6 + Math.sin(step / 4) * 40, 160 + Math.sin(step / 3) * 90 + step);
    await page.waitForTimeout(12);
  }
  for (let turn = 0; turn < 3; turn += 1) {
    await page.mouse.wheel(0, 120);
    await page.waitForTimeout(60);
  }
  await page.locator("input").first().click();
  await page.keyboard.type("friend", { delay: 20 });
}

/** Waits until `condition` gives a value that counts as true, and returns it. */
export async function waitFor(condition, what, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createPort();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
