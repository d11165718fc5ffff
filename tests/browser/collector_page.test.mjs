// The collector in pages of every kind: what it leaves alone, where it keeps its token, when it sends.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";

import { SITE_KEY, startBrowser, startRecorder, startService, startSite, waitFor, watch } from "./service.mjs";

const SHOP_HASH = "74ec30b1ddd6a742";

let service;
let browser;
let site;
let recorder;
let context;
let page;
/** What the next pages of the site are made of. */
let made = {};
/** What pages sent to the site itself. */
let posted = [];

const html = (tag, body = "") => `<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="data:,">${tag}</head>
  <body><h1>Shop</h1><input aria-label="Search"><button>Buy</button><p style="height:4000px">Goods</p>${body}</body></html>`;

const tag = (attributes = `data-endpoint="${recorder.url}"`) =>
  `<script async src="${service.url}/v1/sdk.js" data-botect-sdk data-site-key="${SITE_KEY}" ${attributes}></script>`;

before(async () => {
  service = await startService();
  browser = await startBrowser();
  site = await startSite((request, text) => {
    if (request.method !== "POST") return { body: html(made.tag ?? tag(), made.body), headers: made.headers };
    posted.push({ url: request.url, type: request.headers["content-type"], batch: JSON.parse(text) });
    return { status: 202, type: "application/json", body: '{"queued":true}' };
  });
});

after(async () => {
  await browser?.close();
  await site?.stop();
  await service?.stop();
});

beforeEach(async () => {
  made = {};
  posted = [];
  recorder = await startRecorder("sess_known");
  context = await browser.newContext({ viewport: { width: 1000, height: 700 } });
  page = await context.newPage();
});

afterEach(async () => {
  await context.close();
  await recorder.stop();
});

const started = () => page.waitForFunction(() => window[Symbol.for("quivive.collector")]);
const arrival = (condition, what) => waitFor(() => condition() && recorder, what);
const first = (type) => arrival(() => recorder.events(type).length > 0, `a ${type} event`).then(() => recorder.events(type)[0]);
const cookie = async () => (await context.cookies(site.url)).find(({ name }) => name === "botect_session");

/** The page believes to be hidden or shown; a headless browser never is. */
const setVisibility = (state) =>
  page.evaluate((value) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => value });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);

// Embedding.

test("script and wasm have at most 30 000 bytes compressed", async () => {
  const sizes = await Promise.all(["sdk.js", "sdk.wasm"].map(async (name) => {
    const answer = await fetch(`${service.url}/v1/${name}`);
    return gzipSync(Buffer.from(await answer.arrayBuffer()), { level: 9 }).length;
  }));
  assert.ok(sizes.every((size) => size > 1000) && sizes[0] + sizes[1] <= 30_000, sizes.join(" + "));
});

test("without data-endpoint events go to the script's own host", async () => {
  made.tag = tag("");
  const request = page.waitForRequest(`${service.url}/v1/events`);
  await page.goto(site.url);
  assert.equal((await request).method(), "POST");
});

test("a first-party route gets its page token and JSON, and a reply without a token changes nothing", async () => {
  made.tag = tag('data-endpoint="/_botect/events?page_token=abc.def"');
  await page.goto(`${site.url}/shop`);
  await page.locator("input").click();
  await waitFor(() => posted.length >= 1, "the first batch");
  assert.equal(await cookie(), undefined);
  await page.goto("about:blank");
  await waitFor(() => posted.length >= 2, "the last batch");
  for (const { url, type, batch } of posted) {
    assert.equal(url, "/_botect/events?page_token=abc.def");
    assert.match(type, /^application\/json/);
    assert.equal(batch.site_key, SITE_KEY);
  }
});

test("under a strict policy a nonce and wasm-unsafe-eval are all that it needs, and the console stays empty", async () => {
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-r4nd0m' 'wasm-unsafe-eval'; connect-src ${service.url} ${new URL(recorder.url).origin}`;
  made = { tag: tag(`nonce="r4nd0m" data-endpoint="${recorder.url}"`), headers: { "content-security-policy": policy } };
  const faults = watch(page, [site.url, service.url, new URL(recorder.url).origin]);
  await page.goto(site.url);
  const { payload } = await first("snapshot");
  assert.ok(payload.motion_version >= 1, JSON.stringify(payload));
  assert.deepEqual(faults, []);
});

test("data-measures off asks for no wasm, so that a policy without it reports nothing", async () => {
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${service.url}; connect-src ${new URL(recorder.url).origin}`;
  made = { tag: tag(`data-measures="off" data-endpoint="${recorder.url}"`), headers: { "content-security-policy": policy } };
  const faults = watch(page, [site.url, service.url, new URL(recorder.url).origin]);
  await page.goto(site.url);
  await started();
  await page.mouse.move(50, 50);
  const { payload } = await first("snapshot");
  assert.ok(payload.mouse_moves >= 1);
  assert.deepEqual([payload.mouse_entropy, payload.motion_version], [null, undefined]);
  assert.deepEqual(faults, []);
});

test("it leaves one hidden mark in the window and nothing in the document", async () => {
  await page.addInitScript(() => {
    window.changes = 0;
    new MutationObserver((records) => (window.changes += records.filter(({ target }) => target !== document).length)).observe(document, { childList: true, subtree: true, attributes: true });
    window.ownBefore = Reflect.ownKeys(window).map(String);
    addEventListener("load", () => (window.changes = 0));
  });
  made.tag = tag();
  await page.goto(site.url);
  await first("snapshot");
  const { changes, added, listed } = await page.evaluate(() => ({
    changes: window.changes,
    added: Reflect.ownKeys(window).map(String).filter((name) => !window.ownBefore.includes(name) && !["ownBefore"].includes(name)),
    listed: Object.keys(window).includes("quivive"),
  }));
  assert.equal(changes, 0);
  assert.deepEqual(added, ["Symbol(quivive.collector)"]);
  assert.equal(listed, false);
});

test("a page that replaced its built-ins keeps them, and its faults stay its own", async () => {
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.addInitScript(() => {
    const { pushState } = history;
    window.patched = { push: (history.pushState = function (...values) { return pushState.apply(this, values); }), stringify: JSON.stringify, listen: (window.addEventListener = EventTarget.prototype.addEventListener.bind(window)) };
    window.fetch = () => { throw new Error("no network for you"); };
    window.onerror = () => { window.hasErred = true; };
    window.onunhandledrejection = () => { window.hasErred = true; };
  });
  await page.goto(site.url);
  await started();
  await page.locator("input").click();
  await page.keyboard.type("halt");
  await page.waitForTimeout(3500);
  const kept = await page.evaluate(() => [history.pushState === patched.push, JSON.stringify === patched.stringify, window.addEventListener === patched.listen, window.hasErred]);
  assert.deepEqual(kept, [true, true, true, undefined]);
  assert.equal(await page.locator("input").inputValue(), "halt");
  assert.deepEqual(errors, []);
});

test("as a module it starts by itself from its tag, and by a call without one", async () => {
  made.tag = `<script type="module" src="${service.url}/v1/sdk.mjs" data-botect-sdk data-site-key="${SITE_KEY}" data-endpoint="${recorder.url}"></script>`;
  await page.goto(site.url);
  await first("page");
  const known = recorder.events("page").length;
  made.tag = "";
  await page.goto(`${site.url}/second`);
  const session = await page.evaluate(async ([script, siteKey, endpoint]) => {
    const { start, currentSession } = await import(script);
    start({ siteKey, endpoint, script });
    start({ siteKey: "pk_other", endpoint, script });
    return currentSession();
  }, [`${service.url}/v1/sdk.mjs`, SITE_KEY, recorder.url]);
  assert.equal(session, "sess_known");
  await arrival(() => recorder.events("page").length > known, "the second page");
  assert.ok(recorder.batches().every(({ site_key }) => site_key === SITE_KEY));
});

// Token storage.

test("the reply's token is kept in the cookie and in local storage", async () => {
  await page.goto(site.url);
  const kept = await waitFor(cookie, "the cookie");
  assert.deepEqual([kept.value, kept.path, kept.sameSite, kept.httpOnly, kept.secure], ["sess_known", "/", "Lax", false, false]);
  assert.ok(Math.abs(kept.expires - Date.now() / 1000 - 2592000) < 60);
  assert.equal(await page.evaluate(() => localStorage.getItem("botect_session")), "sess_known");
});

test("the cookie is read first, local storage where the cookie is gone or malformed", async () => {
  await page.goto(site.url);
  await waitFor(cookie, "the cookie");
  await page.evaluate(() => localStorage.setItem("botect_session", "sess_stored"));
  for (const [value, expected] of [["sess_cookie", "sess_cookie"], ["not%20a%20token!", "sess_stored"]]) {
    const known = recorder.batches().length;
    await context.clearCookies();
    await context.addCookies([{ name: "botect_session", value, url: site.url }]);
    await page.goto(`${site.url}/again`);
    const own = () => recorder.batches().slice(known).find(({ events }) => events.some(({ type }) => type === "js_probe"));
    await waitFor(own, "a batch");
    assert.equal(own().session_token, expected);
    await page.evaluate(() => localStorage.setItem("botect_session", "sess_stored"));
  }
});

for (const [name, refuse] of [
  ["throwing storage and cookies", () => {
    Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } });
    Object.defineProperty(Document.prototype, "cookie", { get() { throw new DOMException("no", "SecurityError"); }, set() { throw new DOMException("no", "SecurityError"); } });
  }],
  ["silently dropped cookies and no storage", () => {
    Object.defineProperty(window, "localStorage", { value: null });
    Object.defineProperty(Document.prototype, "cookie", { get: () => "", set() {} });
  }],
]) {
  test(`with ${name} the token lives in memory`, async () => {
    const faults = watch(page, [site.url, service.url, new URL(recorder.url).origin]);
    await page.addInitScript(refuse);
    await page.goto(site.url);
    await arrival(() => recorder.batches().length >= 2, "two batches");
    assert.deepEqual(recorder.batches().slice(0, 2).map(({ session_token }) => session_token), [null, "sess_known"]);
    assert.deepEqual(faults, []);
  });
}

test("in a sandboxed frame without an origin it works from memory and makes no noise", async () => {
  const faults = watch(page, [site.url, service.url, new URL(recorder.url).origin]);
  const inner = html(tag()).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  made = { tag: "", body: `<iframe sandbox="allow-scripts" srcdoc="${inner}" width="500" height="300"></iframe>` };
  await page.goto(site.url);
  await arrival(() => recorder.batches().length >= 2, "two batches");
  assert.deepEqual(recorder.batches().slice(0, 2).map(({ session_token }) => session_token), [null, "sess_known"]);
  assert.equal(recorder.events("js_probe")[0].payload.zero_viewport, false);
  assert.deepEqual(faults, []);
});

test("another token in a reply wins, and an empty 204 changes nothing", async () => {
  const replies = [{ status: 202, body: { session_token: "sess_first" } }, { status: 204 }, { status: 202, body: { session_token: "sess_third" } }];
  await recorder.stop();
  recorder = await startRecorder("sess_third", (batch, before) => replies[before]);
  await page.goto(site.url);
  await arrival(() => recorder.batches().length >= 3, "three batches");
  await page.locator("input").click();
  await page.goto("about:blank");
  await arrival(() => recorder.batches().length >= 4, "the last batch");
  assert.deepEqual(recorder.batches().slice(0, 4).map(({ session_token }) => session_token), [null, "sess_first", "sess_first", "sess_third"]);
});

// What is sent, and when.

test("page and probe come once after one second, snapshots at 3 and 8 seconds, then only when something was done", async () => {
  await page.clock.install();
  await page.goto(site.url);
  await started();
  await page.clock.runFor(1100);
  await arrival(() => recorder.events().length >= 2, "the page");
  assert.deepEqual(recorder.events().map(({ type }) => type), ["page", "js_probe"]);
  for (const [until, count] of [[2000, 1], [5000, 2]]) {
    await page.clock.runFor(until);
    await arrival(() => recorder.events("snapshot").length >= count, `snapshot ${count}`);
  }
  await page.clock.runFor(60_000);
  await page.waitForTimeout(300);
  assert.equal(recorder.events("snapshot").length, 2);
  await page.locator("input").click();
  await page.clock.runFor(16_000);
  await arrival(() => recorder.events("snapshot").length === 3, "the next one");
  assert.deepEqual([recorder.events("page").length, recorder.events("js_probe").length], [1, 1]);
});

test("at most 20 snapshots of a page view are sent by the schedule", async () => {
  await page.clock.install();
  await page.goto(site.url);
  await started();
  await page.clock.runFor(9000);
  for (let turn = 0; turn < 24; turn += 1) {
    await page.keyboard.press("a");
    await page.clock.runFor(15_000);
  }
  await arrival(() => recorder.events("snapshot").length >= 20, "the last snapshot");
  await page.waitForTimeout(300);
  assert.equal(recorder.events("snapshot").length, 20);
});

test("hiding sends a snapshot at once, and the page that ends thereafter sends nothing twice", async () => {
  await page.goto(site.url);
  await waitFor(cookie, "the token");
  await page.locator("input").click();
  await setVisibility("hidden");
  await arrival(() => recorder.events("snapshot").length >= 1, "the snapshot");
  const { payload } = recorder.events("snapshot").at(-1);
  assert.deepEqual([payload.visibility_changes, payload.click_events], [1, 1]);
  const known = recorder.requests.length;
  await page.goto("about:blank");
  await page.waitForTimeout(500);
  assert.equal(recorder.requests.length, known);
});

test("a hidden page's time is not visible time", async () => {
  await page.goto(site.url);
  await started();
  await setVisibility("hidden");
  await page.waitForTimeout(1500);
  await setVisibility("visible");
  await arrival(() => recorder.events("snapshot").length >= 2, "the snapshot at three seconds");
  const { payload } = recorder.events("snapshot").at(-1);
  assert.equal(payload.visibility_changes, 2);
  assert.ok(payload.total_ms - payload.visible_ms >= 1400, JSON.stringify(payload));
});

test("a page that ends before its first answer loses nothing: the batch under way goes again under the minted token", async () => {
  await recorder.stop();
  recorder = await startRecorder("sess_late", (batch, before) => (before === 0 ? new Promise((resolve) => setTimeout(resolve, 60_000, undefined).unref()) : undefined));
  let isUnderway = false;
  page.on("request", (request) => (isUnderway ||= request.method() === "POST"));
  await page.goto(site.url);
  await waitFor(() => isUnderway, "the first batch");
  await page.goto("about:blank");
  await arrival(() => recorder.batches().length >= 2, "the last batch");
  const [underway, { session_token, events }] = recorder.batches();
  assert.equal(underway.session_token, null);
  assert.deepEqual(events.slice(0, 2), underway.events);
  assert.match(session_token, /^bt_[A-Za-z0-9_-]{24}$/);
  assert.deepEqual(events.map(({ type }) => type), ["page", "js_probe", "snapshot"]);
});

test("a browser without keepalive sends its last batch as a beacon of plain text", async () => {
  await page.addInitScript(() => delete Request.prototype.keepalive);
  await page.goto(site.url);
  await waitFor(cookie, "the token");
  const known = recorder.requests.length;
  await page.locator("input").click();
  await page.goto("about:blank");
  await arrival(() => recorder.requests.length > known, "the beacon");
  const last = recorder.requests.at(-1);
  assert.match(last.type, /^text\/plain/);
  assert.equal(last.batch.events.at(-1).payload.click_events, 1);
});

test("paths that change by pushState, replaceState and history are page views; a query or a fragment is none", async () => {
  await page.goto(`${site.url}/one`);
  await first("page");
  for (const action of [
    () => page.evaluate(() => history.pushState({}, "", "/two")),
    () => page.evaluate(() => history.replaceState({}, "", "/three")),
    () => page.evaluate(() => history.back()),
    () => page.evaluate(() => history.pushState({}, "", "/one?sort=price")),
    () => page.evaluate(() => (location.hash = "reviews")),
  ]) {
    await action();
    await page.waitForTimeout(1300);
  }
  assert.deepEqual(recorder.events("page").map(({ payload }) => payload.page_path_shape), ["/one", "/two", "/three", "/one"]);
  assert.equal(recorder.events("js_probe").length, 4);
});

test("where the browser tells of no navigation, a changed path is found all the same, and history stays unpatched", async () => {
  await page.addInitScript(() => Object.defineProperty(window, "navigation", { value: undefined }));
  await page.goto(`${site.url}/one`);
  await first("page");
  await page.evaluate(() => history.pushState({}, "", "/two"));
  await arrival(() => recorder.events("page").length === 2, "the second page");
  assert.match(await page.evaluate(() => Function.prototype.toString.call(history.pushState)), /\[native code\]/);
});

test("counts of a page view begin anew with the next one", async () => {
  await page.goto(`${site.url}/one`);
  await started();
  await page.locator("input").click();
  await page.keyboard.type("halt");
  await page.evaluate(() => history.pushState({}, "", "/two"));
  await page.keyboard.type("x");
  await arrival(() => recorder.events("page").length === 2 && recorder.events().at(-1).type === "snapshot", "the second view");
  const events = recorder.events();
  const second = events.slice(events.indexOf(recorder.events("page")[1])).find(({ type }) => type === "snapshot");
  assert.deepEqual([second.payload.key_events, second.payload.click_events], [1, 0]);
});

test("a page from the browser's cache is a new page view with its own clock", async () => {
  const cached = await startBrowser({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  try {
    const [tab] = [await (await cached.newContext()).newPage()];
    await tab.goto(`${site.url}/one`);
    await tab.evaluate(() => addEventListener("pageshow", (event) => (window.isBack = event.persisted)));
    await first("snapshot");
    made.tag = "";
    await tab.goto(`${site.url}/elsewhere`);
    const views = recorder.events("page").length;
    tab.evaluate(() => history.back()).catch(() => undefined);
    await tab.waitForFunction(() => window.isBack === true);
    await arrival(() => recorder.events("page").length > views, "the new page view");
    const events = recorder.events();
    const again = await waitFor(() => recorder.events().slice(events.lastIndexOf(recorder.events("page").at(-1))).find(({ type }) => type === "snapshot"), "its snapshot");
    assert.equal(recorder.events("page").at(-1).payload.page_path_shape, "/one");
    assert.ok(again.payload.total_ms < 3600, JSON.stringify(again.payload));
  } finally {
    await cached.close();
  }
});

test("a page that is rendered ahead says nothing until somebody looks at it", async () => {
  await page.addInitScript(() => {
    let isAhead = true;
    Object.defineProperty(document, "prerendering", { get: () => isAhead });
    window.activate = () => {
      isAhead = false;
      document.dispatchEvent(new Event("prerenderingchange"));
    };
  });
  await page.goto(site.url);
  await started();
  await page.waitForTimeout(1600);
  assert.equal(recorder.requests.length, 0);
  await page.evaluate(() => window.activate());
  await first("page");
});

// Answers.

/** Answers the n-th batch by the n-th status and returns the statuses' batches. */
const answering = async (...statuses) => {
  await recorder.stop();
  recorder = await startRecorder("sess_known", (batch, before) => (statuses[before] ? { status: statuses[before], body: { code: "X" } } : undefined));
};

for (const status of [401, 402, 403, 404, 409]) {
  test(`${status} ends the collector's work on this page`, async () => {
    await answering(status);
    await page.goto(site.url);
    await arrival(() => recorder.batches().length === 1, "the batch");
    await page.locator("input").click();
    await page.waitForTimeout(2700);
    await page.goto("about:blank");
    await page.waitForTimeout(300);
    assert.equal(recorder.batches().length, 1);
  });
}

test("413 drops the batch and the next one goes its way", async () => {
  await answering(413);
  await page.goto(site.url);
  await arrival(() => recorder.batches().length === 2, "the next batch");
  assert.deepEqual(recorder.batches().map(({ events }) => events.map(({ type }) => type)), [["page", "js_probe"], ["snapshot"]]);
});

test("422 sends the batch once more without the features of movement, and no batch has them after that", async () => {
  await recorder.stop();
  const refuses = ({ payload }) => Object.keys(payload).some((name) => name.startsWith("motion_"));
  recorder = await startRecorder("sess_known", ({ events }) => (events.some(refuses) ? { status: 422, body: { code: "INVALID_PAYLOAD" } } : undefined));
  await page.goto(site.url);
  await started();
  await page.mouse.move(50, 50);
  await arrival(() => recorder.batches().length >= 3, "the second try");
  const [, refused, again] = recorder.requests.filter(({ batch }) => batch);
  assert.ok(refused.batch.events.some(refuses));
  assert.deepEqual(again.batch.events.map(({ request_id }) => request_id), refused.batch.events.map(({ request_id }) => request_id));
  assert.ok(!again.batch.events.some(refuses));
  assert.equal(typeof again.batch.events[0].payload.mouse_moves, "number");
  await page.locator("input").click();
  await page.goto("about:blank");
  await arrival(() => recorder.batches().length >= 4, "the last batch");
  assert.ok(!recorder.batches().slice(3).some(({ events }) => events.some(refuses)));
});

test("422 without such features drops the batch", async () => {
  await answering(422);
  await page.goto(site.url);
  await arrival(() => recorder.batches().length === 2, "the next batch");
  assert.deepEqual(recorder.events().map(({ type }) => type), ["page", "js_probe", "snapshot"]);
});

test("a failing server is asked again after 2 and 8 seconds under the same key, then the batch is dropped", async () => {
  await answering(500, 503, 502);
  await page.goto(site.url);
  await arrival(() => recorder.batches().length >= 4, "four batches");
  const requests = recorder.requests.filter(({ batch }) => batch);
  const keys = requests.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(new Set(keys.slice(0, 3)).size, 1);
  assert.notEqual(keys[3], keys[0]);
  const gaps = [requests[1].at - requests[0].at, requests[2].at - requests[1].at];
  assert.ok(gaps[0] >= 1900 && gaps[0] < 4000 && gaps[1] >= 7900 && gaps[1] < 11_000, String(gaps));
  assert.deepEqual(requests[3].batch.events.map(({ type }) => type).includes("page"), false);
});

test("a batch has at most 100 events and 60 000 bytes, and every event its own id", async () => {
  await recorder.stop();
  let release;
  const held = new Promise((resolve) => (release = resolve));
  recorder = await startRecorder("sess_known", (batch, before) => (before === 0 ? held.then(() => undefined) : undefined));
  made.tag = "";
  await page.goto(site.url);
  await page.mouse.move(10, 10);
  await page.evaluate(async ([script, siteKey, endpoint]) => {
    const { start, flush } = await import(script);
    start({ siteKey, endpoint, script });
    for (let turn = 0; turn < 150; turn += 1) {
      history.pushState({}, "", `/${"p".repeat(30)}/${turn}`);
      flush();
      await new Promise((resolve) => setTimeout(resolve));
    }
  }, [`${service.url}/v1/sdk.mjs`, SITE_KEY, recorder.url]);
  release();
  await arrival(() => recorder.batches().length >= 2, "the second batch");
  await page.waitForTimeout(500);
  const requests = recorder.requests.filter(({ batch }) => batch);
  assert.ok(requests.every(({ batch, bytes }) => batch.events.length <= 100 && bytes <= 60_000), requests.map(({ bytes }) => bytes).join());
  const ids = recorder.events().map(({ request_id }) => request_id);
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.every((id) => /^[A-Za-z0-9_-]{1,128}$/.test(id)));
});

// Measures.

test("a path is a hash and a shape without its numbers; a path with other characters has no shape", async () => {
  await page.goto(`${site.url}/orders/17/lines/4?coupon=secret`);
  const { payload } = await first("page");
  assert.deepEqual([payload.page_path_shape, payload.page_path_hash.length], ["/orders/{n}/lines/{n}", 16]);
  await page.evaluate(() => history.pushState({}, "", "/shop"));
  await arrival(() => recorder.events("page").length === 2, "the second page");
  assert.equal(recorder.events("page")[1].payload.page_path_hash, SHOP_HASH);
  await page.evaluate(() => history.pushState({}, "", "/caf%C3%A9"));
  await arrival(() => recorder.events("page").length === 3, "the third page");
  assert.deepEqual(Object.keys(recorder.events("page")[2].payload), ["page_path_hash"]);
  assert.doesNotMatch(JSON.stringify(recorder.batches()), /secret|coupon/);
});

test("touch is seen as touch, and its made-up mouse does not become a path", async () => {
  const phone = await browser.newContext({ viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
  const tab = await phone.newPage();
  await tab.goto(site.url);
  await tab.waitForFunction(() => window[Symbol.for("quivive.collector")]);
  await tab.waitForTimeout(400);
  for (const y of [60, 90, 130]) await tab.touchscreen.tap(80, y);
  await first("snapshot");
  const { payload } = recorder.events("snapshot")[0];
  assert.deepEqual([payload.pointer_types, payload.click_events, payload.coarse_pointer], [["touch"], 3, 1]);
  assert.ok(payload.max_touch_points >= 1 && payload.time_to_first_input_ms > 0);
  assert.equal(payload.mouse_entropy, null);
  assert.ok(!payload.motion_moves, JSON.stringify(payload));
  await phone.close();
});

test("events that a page makes up are not counted as its visitor's", async () => {
  await page.goto(site.url);
  await started();
  await page.evaluate(() => {
    for (let turn = 0; turn < 30; turn += 1) {
      document.body.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX: turn * 9, clientY: turn }));
      document.querySelector("button").click();
      document.body.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, code: "KeyA" }));
    }
  });
  const { payload } = await first("snapshot");
  assert.deepEqual([payload.mouse_moves, payload.click_events, payload.key_events, payload.time_to_first_input_ms], [0, 0, 0, null]);
});

test("moves are counted at most every 20 ms, held keys once, and depth and delays as they are", async () => {
  await page.goto(site.url);
  await started();
  for (let step = 0; step < 60; step += 1) await page.mouse.move(10 + step, 20 + step);
  await page.locator("input").focus();
  await page.keyboard.down("a");
  for (let turn = 0; turn < 5; turn += 1) await page.keyboard.down("a");
  await page.keyboard.up("a");
  const beforeWheel = await page.evaluate(() => [innerHeight, document.scrollingElement.scrollHeight]);
  await page.mouse.wheel(0, 700);
  await page.waitForFunction(() => scrollY > 690);
  const { payload } = await first("snapshot");
  const elapsed = payload.total_ms;
  assert.ok(payload.mouse_moves >= 1 && payload.mouse_moves <= elapsed / 20, JSON.stringify(payload));
  assert.equal(payload.key_events, 1);
  assert.equal(payload.scroll_max_depth_pct, Math.round(((700 + beforeWheel[0]) / beforeWheel[1]) * 100));
  assert.ok(payload.first_input_delay_ms >= 1 && payload.time_to_first_input_ms <= elapsed);
  assert.deepEqual([payload.max_touch_points, payload.coarse_pointer, payload.pointer_types], [0, 0, ["mouse"]]);
});

test("text, keys, places and addresses never leave the page", async () => {
  await page.goto(`${site.url}/secret-path/77?q=secret-query#secret-part`);
  await started();
  await page.mouse.move(613, 377);
  await page.locator("input").fill("secret-text");
  await page.keyboard.type("Zq");
  await page.locator("input").click();
  await page.goto("about:blank");
  await arrival(() => recorder.events("snapshot").length >= 1, "the last batch");
  const sent = JSON.stringify(recorder.events().map(({ payload }) => ({ ...payload, page_path_shape: undefined })));
  assert.doesNotMatch(sent, /secret|KeyZ|"Zq"|\b613\b|\b377\b|http/);
});
