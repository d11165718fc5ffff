// The pixel's script and image in pages of another site.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { startBrowser, startRecorder, startService, startSite, waitFor, watch } from "./service.mjs";

const PIXEL = "px_dem0p1xe100000000000";
const PROJECT = "proj_dem00000000000000000";
const KEY = "as_live_DemoDetectionKey0000000000000000";
/** Nothing is sent by size or time: only what a test asks for, or the end of the page. */
const PATIENT = "&batch_size=100&flush_interval=60000";

let service;
let browser;
let site;
/** Another host than the server's, so that its pages are of another site. */
let origin;
let recorder;
let context;
let page;
let head = "";
let body = "";

before(async () => {
  service = await startService();
  browser = await startBrowser();
  site = await startSite(() => ({ body: `<!doctype html><title>Shop</title><link rel="icon" href="data:,">${head}<h1>Shop</h1><input>${body}` }));
  origin = site.url.replace("127.0.0.1", "localhost");
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await service?.stop();
});

beforeEach(async () => {
  head = body = "";
  recorder = await startRecorder("unused");
  context = await browser.newContext();
  page = await context.newPage();
});

afterEach(async () => {
  await context.close();
  await recorder.stop();
});

/** The script that reports to the server itself. */
const script = (parameters = "", pixel = PIXEL) => `<script async src="${service.url}/api/v1/pixel.js?id=${pixel}${parameters}"></script>`;
/** The script that reports to the recorder. */
const recorded = (parameters = "") => script(`&api_endpoint=${encodeURIComponent(new URL("/api/v1", recorder.url).href)}${parameters}`);
const started = () => page.waitForFunction(() => window.quivivePixel);
const arrived = (count) => waitFor(() => recorder.events().length >= count && recorder.events(), `${count} events`);
const names = (events) => events.map(({ event }) => event);

/** A pixel of its own, made as an owner makes it. */
async function makePixel(settings) {
  const answer = await fetch(`${service.url}/api/v1/projects/${PROJECT}/pixels`, {
    method: "POST",
    headers: { "x-agentshield-key": KEY, "content-type": "application/json" },
    body: JSON.stringify({ settings }),
  });
  assert.equal(answer.status, 201);
  return (await answer.json()).id;
}

test("a page of another site reports its view, and the server takes it", async () => {
  head = script();
  const faults = watch(page, [origin, service.url]);
  const methods = [];
  page.on("request", (request) => methods.push(`${request.method()} ${new URL(request.url()).pathname}`));
  const answer = page.waitForResponse((response) => response.url().endsWith("/api/v1/batch"));
  await page.goto(`${origin}/goods?colour=red`, { referer: "https://example.com/before" });
  await started();
  await page.evaluate(() => window.quivivePixel.flush());
  const response = await answer;
  assert.equal(response.status(), 200);
  assert.deepEqual(await response.json(), { success: true, received: 1, accepted: 1, rejected: 0, errors: [] });
  const request = response.request();
  assert.match(request.headers()["content-type"], /^text\/plain/);
  const { pixelId, events: [event] } = JSON.parse(request.postData());
  assert.equal(pixelId, PIXEL);
  assert.deepEqual([event.event, event.url, event.referrer], ["page_view", `${origin}/goods?colour=red`, "https://example.com/before"]);
  assert.ok(Math.abs(event.timestamp - Date.now()) < 10_000);
  assert.match(event.sessionId, /^[0-9a-f]{32}$/);
  assert.deepEqual(Object.keys(event.client), ["webdriver", "visibleMs", "interactions"]);
  assert.deepEqual(methods.filter((method) => method.startsWith("OPTIONS")), [], "no preflight");
  assert.deepEqual(await context.cookies(), []);
  assert.deepEqual(faults, []);
});

test("events are collected until the batch is full", async () => {
  head = recorded("&batch_size=3&flush_interval=60000");
  await page.goto(origin);
  await started();
  await page.evaluate(() => window.quivivePixel.track("click", { button: "buy" }));
  await page.waitForTimeout(300);
  assert.deepEqual(recorder.batches(), []);
  await page.evaluate(() => window.quivivePixel.track("checkout.paid"));
  const events = await arrived(3);
  assert.deepEqual(names(events), ["page_view", "click", "checkout.paid"]);
  assert.equal(recorder.batches().length, 1);
  assert.deepEqual(events[1].metadata, { button: "buy" });
  assert.equal(new Set(events.map(({ id }) => id)).size, 3);
  assert.equal(new Set(events.map(({ sessionId }) => sessionId)).size, 1);
});

test("events are sent after the interval", async () => {
  head = recorded("&flush_interval=200");
  await page.goto(origin);
  assert.deepEqual(names(await arrived(1)), ["page_view"]);
});

test("what waits is sent when the page ends", async () => {
  head = recorded(PATIENT);
  await page.goto(origin);
  await started();
  await page.evaluate(() => { for (let index = 0; index < 98; index += 1) window.quivivePixel.track("scroll", { text: "a".repeat(900) }); });
  assert.deepEqual(recorder.batches(), []);
  await page.goto("about:blank");
  // What browsers let a page leave behind is bounded; the page view is in the first part.
  const events = await arrived(40);
  assert.equal(events[0].event, "page_view");
  for (const { bytes, type, method } of recorder.requests) {
    assert.ok(bytes <= 60_000, `${bytes} bytes`);
    assert.deepEqual([method, type.split(";")[0]], ["POST", "text/plain"]);
  }
});

test("where fetch refuses at the end of a page, the beacon takes over", async () => {
  head = recorded(PATIENT);
  await page.addInitScript(() => {
    const real = window.fetch;
    window.fetch = (url, options) => (options?.keepalive ? Promise.reject(new TypeError("quota")) : real(url, options));
  });
  await page.goto(origin);
  await started();
  await page.goto("about:blank");
  assert.deepEqual(names(await arrived(1)), ["page_view"]);
});

test("a visitor who asks not to be tracked is left alone", async () => {
  head = recorded("&flush_interval=100");
  await page.addInitScript(() => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true }));
  await page.goto(origin);
  await started();
  await page.evaluate(() => window.quivivePixel.track("click"));
  await page.waitForTimeout(500);
  assert.deepEqual(recorder.requests, []);
  head = recorded("&flush_interval=100&respect_dnt=false");
  await page.goto(origin);
  assert.deepEqual(names(await arrived(1)), ["page_view"]);
});

test("a visit has one id in a tab until it was long quiet", async () => {
  head = recorded("&batch_size=1");
  const view = async (count) => {
    await page.goto(`${origin}/${count}`);
    return (await arrived(count)).at(-1).sessionId;
  };
  const first = await view(1);
  assert.equal(await view(2), first);
  await page.evaluate(() => {
    const [name] = Object.keys(sessionStorage);
    const visit = JSON.parse(sessionStorage[name]);
    sessionStorage[name] = JSON.stringify({ ...visit, at: visit.at - 1_800_001 });
  });
  assert.notEqual(await view(3), first);
  await page.evaluate(() => (sessionStorage[Object.keys(sessionStorage)[0]] = "{"));
  assert.match(await view(4), /^[0-9a-f]{32}$/, "what others wrote there does no harm");
});

test("a batch that failed is sent again with the same ids", async () => {
  await recorder.stop();
  recorder = await startRecorder("unused", (batch, known) => (known === 0 ? { status: 503, body: {} } : undefined));
  head = recorded("&flush_interval=100");
  await page.goto(origin);
  await waitFor(() => recorder.batches().length >= 2, "a second try");
  const [[first], [second]] = recorder.batches().map(({ events }) => events);
  assert.deepEqual([second.id, second.event], [first.id, first.event]);
  await page.waitForTimeout(600);
  assert.equal(recorder.batches().length, 2, "and then no more");
});

test("a batch that breaks a rule is not sent again", async () => {
  await recorder.stop();
  recorder = await startRecorder("unused", () => ({ status: 400, body: {} }));
  head = recorded("&flush_interval=100");
  await page.goto(origin);
  await waitFor(() => recorder.batches().length === 1, "the batch");
  await page.waitForTimeout(800);
  assert.equal(recorder.batches().length, 1);
});

test("the settings of the pixel hold: paths left out, the browser not described, switched off", async () => {
  const quiet = await makePixel({ skipPaths: ["/private", "/u/*/mail", "/deep/**"], enableFingerprinting: false, flushInterval: 100 });
  const endpoint = `&api_endpoint=${encodeURIComponent(new URL("/api/v1", recorder.url).href)}`;
  head = script(endpoint, quiet);
  for (const path of ["/private", "/private/a", "/u/ada/mail", "/deep/a/b"]) {
    await page.goto(origin + path);
    await started();
  }
  await page.goto(`${origin}/privateer`);
  await arrived(1);
  await page.goto(`${origin}/u/ada/b/mail`);
  const events = await arrived(2);
  assert.deepEqual(events.map(({ url }) => new URL(url).pathname), ["/privateer", "/u/ada/b/mail"]);
  assert.ok(events.every((event) => !("client" in event)));

  const off = await makePixel({ enabled: false });
  head = script(endpoint, off);
  const known = recorder.requests.length;
  await page.goto(origin);
  await started();
  await page.evaluate(() => { window.quivivePixel.track("click"); return window.quivivePixel.flush(); });
  assert.equal(recorder.requests.length, known);
});

test("a page whose domain is not allowed is refused and goes on", async () => {
  const closed = await makePixel({ allowedDomains: ["example.com"], batchSize: 1 });
  head = script("", closed);
  // The browser hides an answer that the page may not read.
  const refused = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/api/v1/batch"));
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.goto(origin);
  await refused;
  assert.deepEqual(errors, []);

  const open = await makePixel({ allowedDomains: ["localhost"], batchSize: 1 });
  head = script("", open);
  const taken = page.waitForResponse((response) => response.url().endsWith("/api/v1/batch"));
  await page.goto(origin);
  assert.equal((await taken).status(), 200);
});

test("the image loads on another site, without a cookie and without a cache", async () => {
  body = `<img src="${service.url}/api/v1/pixel?id=${PIXEL}&u=${encodeURIComponent(origin)}">`;
  const faults = watch(page, [origin, service.url]);
  const outcomes = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname === "/api/v1/pixel") outcomes.push(response.headers()["x-agentshield-pixel"]);
  });
  for (const count of [1, 2]) {
    await page.goto(origin);
    await page.waitForFunction(() => document.images[0].complete);
    assert.deepEqual(await page.evaluate(() => [document.images[0].naturalWidth, document.images[0].naturalHeight]), [1, 1]);
    await waitFor(() => outcomes.length === count, "the image from the server, not from a cache");
  }
  assert.deepEqual(outcomes, ["ok", "ok"]);
  assert.deepEqual(await context.cookies(), []);
  assert.deepEqual(faults, []);
});

test("without a pixel the image loads all the same", async () => {
  body = `<img src="${service.url}/api/v1/pixel?id=px_unknown">`;
  await page.goto(origin);
  await page.waitForFunction(() => document.images[0].complete && document.images[0].naturalWidth === 1);
});
