import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";

import { PRIVATE_KEY, SITE_KEY, behave, recordBatches, startBrowser, startRecorder, startService, startSite, waitFor, watch } from "./service.mjs";

let service;
let browser;
let site;
let recorder;
let context;
let page;

const html = (tag) => `<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="data:,">${tag}</head>
  <body><h1>Shop</h1><input aria-label="Search"><p style="height:4000px">Goods</p></body></html>`;

const tag = (endpoint = "") =>
  `<script async src="${service.url}/v1/sdk.js" data-botect-sdk data-site-key="${SITE_KEY}" ${endpoint}></script>`;

before(async () => {
  service = await startService();
  browser = await startBrowser();
  site = await startSite(({ url, method }) => {
    const { pathname } = new URL(url, "http://site");
    if (pathname === "/strict") {
      const policy = `default-src 'self'; style-src 'unsafe-inline'; img-src data:; script-src ${service.url}; connect-src ${service.url}`;
      return { body: html(tag()), headers: { "content-security-policy": policy } };
    }
    if (pathname === "/twice") return { body: html(tag() + tag()) };
    if (pathname === "/recorded") return { body: html(tag(`data-endpoint="${recorder.url}"`)) };
    if (pathname === "/broken") return { body: html(tag('data-endpoint="/refuses"')) };
    if (pathname === "/refuses") return { status: method === "POST" ? 503 : 404, body: "{}", type: "application/json" };
    return { body: html(tag()) };
  });
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await service?.stop();
});

beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
  page = await context.newPage();
});

afterEach(async () => {
  await context.close();
  recorder?.stop();
  recorder = undefined;
});

async function readVerdict(session) {
  const answer = await fetch(`${service.url}/v1/sessions/${session}/verdict`, { headers: { authorization: `Bearer ${PRIVATE_KEY}` } });
  assert.equal(answer.status, 200);
  return answer.json();
}

async function session() {
  const cookies = await waitFor(async () => {
    const found = await context.cookies(site.url);
    return found.find(({ name }) => name === "botect_session")?.value;
  }, "a session token");
  return cookies;
}

/** The server's own validator, in the browser that it is served to. */
async function checkBatches(batches) {
  const home = await context.newPage();
  await home.goto(service.url);
  const module = await home.getAttribute('link[rel="modulepreload"]', "href");
  return home.evaluate(async ([path, sent]) => {
    const { initialize } = await import(path.replace("quivive.js", "native.js"));
    const { checkEvents } = await import(path);
    await initialize();
    return sent.map(({ type, ...batch }) => checkEvents({ batch }));
  }, [module, batches]);
}

test("a visit is scored within five seconds and its reasons name what headless Chromium shows", async () => {
  const faults = watch(page, [site.url, service.url]);
  const batches = recordBatches(page);
  await page.goto(`${site.url}/goods/17`);
  const began = Date.now();
  await behave(page);
  const token = await session();
  const verdict = await waitFor(async () => {
    const found = await readVerdict(token);
    return found.score > 0 && found;
  }, "a verdict", 5000);
  assert.ok(Date.now() - began < 5000);
  assert.equal(verdict.verdict, "definite");
  assert.equal(verdict.score, 1);
  assert.equal(verdict.action, "allow");
  assert.match(verdict.reason, /automation browser user agent/i);
  // navigator.webdriver, and "Headless" in the user agent of the script and of the request.
  for (const id of [16777217, 33554433, 33554435]) assert.ok(verdict.detection_ids.includes(id), `${id} of ${verdict.detection_ids}`);

  const typed = ({ type, payload }) => type === "snapshot" && payload.key_events === 6;
  const { payload } = await waitFor(() => batches.flatMap(({ events }) => events).find(typed), "a snapshot of all");
  assert.ok(payload.mouse_moves >= 20 && payload.pointer_moves >= 20, JSON.stringify(payload));
  // A computed wave is no hand: all that is asked of its naturalness is that it was told.
  assert.ok(payload.mouse_entropy >= 0 && payload.mouse_entropy <= 1, JSON.stringify(payload));
  const motion = Object.entries(payload).filter(([name]) => name.startsWith("motion_"));
  assert.ok(motion.length > 20 && motion.length <= 64 && motion.every(([, value]) => Number.isFinite(value)), JSON.stringify(motion));
  assert.ok(payload.scroll_events >= 1 && payload.scroll_velocity > 0, JSON.stringify(payload));
  assert.deepEqual([payload.key_events, payload.click_events, payload.pointer_types], [6, 1, ["mouse"]]);
  assert.ok(payload.first_input_delay_ms >= 1 && payload.time_to_first_input_ms > 0);
  assert.doesNotMatch(JSON.stringify(batches), /friend|goods\/17/);

  const kinds = batches.flatMap(({ events }) => events.map(({ type }) => type));
  assert.deepEqual(kinds.slice(0, 2), ["page", "js_probe"]);
  const checked = await checkBatches(batches);
  assert.equal(checked.length, batches.length);
  assert.deepEqual(faults, []);
});

test("leaving the page sends what was seen last, and the server counts it", async () => {
  await page.goto(site.url);
  const token = await session();
  await page.locator("input").click();
  await page.keyboard.type("halt");
  await page.goto("about:blank");
  const seen = await waitFor(async () => {
    const answer = await fetch(`${service.url}/-/demo/session/${token}`);
    const { signals } = answer.status === 200 ? await answer.json() : { signals: {} };
    return signals.key_events === 4 && signals;
  }, "the last batch to be counted", 5000);
  assert.equal(seen.click_events, 1);
});

test("the last batch is plain text that needs no preflight, under the known token", async () => {
  recorder = await startRecorder("sess_known");
  await page.goto(`${site.url}/recorded`);
  await waitFor(() => recorder.requests.some(({ batch }) => batch), "the first batch");
  const first = recorder.requests.find(({ batch }) => batch);
  assert.equal(first.type, "application/json");
  assert.deepEqual([first.batch.session_token, first.batch.site_key], [null, SITE_KEY]);
  assert.match(first.headers["idempotency-key"], /^[A-Za-z0-9_-]{1,128}$/);
  await session();
  await page.locator("input").click();
  await page.keyboard.type("halt");
  const known = recorder.requests.length;
  await page.goto("about:blank");
  const last = await waitFor(() => recorder.requests.slice(known).find(({ batch }) => batch?.events.at(-1).payload.key_events === 4), "the last batch");
  assert.match(last.type, /^text\/plain/);
  assert.equal(last.headers["idempotency-key"], undefined);
  assert.deepEqual([last.batch.session_token, last.batch.site_key], ["sess_known", SITE_KEY]);
  assert.ok(recorder.requests.slice(known).every(({ method }) => method === "POST"));
});

test("a visit shorter than a second is a page view under a token of the collector's own", async () => {
  recorder = await startRecorder("sess_known");
  await page.goto(`${site.url}/recorded`);
  await page.waitForFunction(() => window[Symbol.for("quivive.collector")]);
  await page.goto("about:blank");
  const { batch } = await waitFor(() => recorder.requests.find((request) => request.batch), "a last batch");
  assert.match(batch.session_token, /^bt_[A-Za-z0-9_-]{24}$/);
  assert.deepEqual(batch.events.map(({ type }) => type).slice(0, 2), ["page", "js_probe"]);
});

test("a policy that refuses wasm leaves the counts and takes the measures", async () => {
  const batches = recordBatches(page);
  await page.goto(`${site.url}/strict`);
  await behave(page);
  const snapshot = await waitFor(() => batches.flatMap(({ events }) => events).find(({ type }) => type === "snapshot"), "a snapshot");
  assert.ok(snapshot.payload.mouse_moves >= 20);
  assert.equal(snapshot.payload.mouse_entropy, null);
  assert.equal(snapshot.payload.scroll_velocity, null);
});

test("a changed path without loading is a page view of its own", async () => {
  const batches = recordBatches(page);
  await page.goto(`${site.url}/one`);
  await waitFor(() => batches.length > 0, "the first batch");
  await page.locator("input").click();
  await page.evaluate(() => history.pushState({}, "", "/two"));
  const pages = () => batches.flatMap(({ events }) => events).filter(({ type }) => type === "page");
  await waitFor(() => pages().length === 2, "the second page view");
  assert.deepEqual(pages().map(({ payload }) => payload.page_path_shape), ["/one", "/two"]);
  const events = batches.flatMap(({ events: all }) => all);
  const before = events.slice(0, events.indexOf(pages()[1]));
  assert.equal(before.at(-1).type, "snapshot");
  assert.equal(before.at(-1).payload.click_events, 1);
});

test("a second tag does nothing", async () => {
  const batches = recordBatches(page);
  await page.goto(`${site.url}/twice`);
  await waitFor(() => batches.some(({ events }) => events.some(({ type }) => type === "snapshot")), "a snapshot");
  assert.equal(batches.flatMap(({ events }) => events).filter(({ type }) => type === "page").length, 1);
});

test("a server that fails is never noticed by the page", async () => {
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  let tries = 0;
  page.on("request", (request) => (tries += Number(request.url().endsWith("/refuses"))));
  await page.goto(`${site.url}/broken`);
  await behave(page);
  await waitFor(() => tries >= 2, "a second try");
  assert.deepEqual(errors, []);
  assert.equal(await page.locator("input").first().inputValue(), "friend");
});
