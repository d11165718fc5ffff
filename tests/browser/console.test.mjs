import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { PRIVATE_KEY, SITE_KEY, behave, startBrowser, startService, startSite, waitFor, watch } from "./service.mjs";

const SCREENSHOTS = process.env.QUIVIVE_SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));
const CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0";
const HEADLESS = CHROME.replace("Chrome/", "HeadlessChrome/");

let service;
let browser;
let shop;

before(async () => {
  service = await startService();
  browser = await startBrowser();
  shop = await startSite(() => ({
    body: `<!doctype html><html lang="en"><head><title>Shop</title><link rel="icon" href="data:,">
      <script async src="${service.url}/v1/sdk.js" data-botect-sdk data-site-key="${SITE_KEY}"></script></head>
      <body><h1>Shop</h1><input aria-label="Search"><p style="height:4000px">Goods</p></body></html>`,
  }));
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(async () => {
  await browser?.close();
  await shop?.stop();
  await service?.stop();
});

/** A page that is logged in to the console by the demo project's button. */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = watch(page, [service.url]);
  await page.goto(`${service.url}/-/console`);
  await page.getByRole("button", { name: "Enter the demo console" }).click();
  await page.waitForURL(`${service.url}/-/console`);
  return { context, page, faults };
}

const project = (path = "") => `${service.url}/-/console/projects/1${path}`;

/** Sends one batch as a browser of that name does and returns the session's token. */
async function send(userAgent, ...events) {
  const answer = await fetch(`${service.url}/v1/events`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-botect-site-key": SITE_KEY, "user-agent": userAgent },
    body: JSON.stringify({
      session_token: null,
      events: events.map(([type, payload], place) => ({ request_id: `e-${place}`, type, received_at: new Date().toISOString(), payload })),
    }),
  });
  assert.equal(answer.status, 202, await answer.clone().text());
  return (await answer.json()).session_token;
}

const PERSON = { mouse_moves: 24, mouse_entropy: 0.181, scroll_events: 2, scroll_velocity: 387, click_events: 1, first_input_delay_ms: 6, time_to_first_input_ms: 7500, visibility_changes: 1 };
const SCREEN_READER = { click_events: 1, time_to_first_input_ms: 4000, first_input_delay_ms: 4 };

async function readVerdict(session, query = "") {
  const answer = await fetch(`${service.url}/v1/sessions/${session}/verdict${query}`, { headers: { authorization: `Bearer ${PRIVATE_KEY}` } });
  return answer.json();
}

async function assertFits(page, name) {
  const overhang = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overhang <= 0, `${name}: ${overhang} pixels too wide`);
}

test("a visitor of a page with the collector appears in the open console as he is scored, and is explained", async () => {
  const { context, page, faults } = await open();
  await page.goto(project());
  const visitor = await browser.newContext({ viewport: { width: 1000, height: 700 } });
  const visit = await visitor.newPage();
  await visit.goto(shop.url);
  await behave(visit);
  const session = await waitFor(async () => (await visitor.cookies(shop.url)).find(({ name }) => name === "botect_session")?.value, "a session");
  const row = page.locator("#live tr", { has: page.locator(`#session-${session}`) });
  await waitFor(async () => (await row.count()) === 1, "the session in the live list", 10_000);
  await waitFor(async () => /Definitely a bot/.test(await row.innerText()), "its band", 10_000);
  assert.match(await row.innerText(), /HeadlessChrome/);
  assert.match(await row.innerText(), /Automation browser user agent/);
  await row.locator("a").click();
  assert.match(await page.locator("main").innerText(), /Browser reports automation control/);
  assert.match(await page.locator("main").innerText(), /under remote control, as Selenium and Playwright do it/);
  await waitFor(async () => {
    await page.reload();
    return /Keys\s+6/.test(await page.locator("main").innerText());
  }, "six keys");
  assert.deepEqual(faults, []);
  await visitor.close();
  await context.close();
});

test("a one-time link of the command line opens the console once", async () => {
  const own = await startService();
  const program = process.env.QUIVIVE_SERVER ?? fileURLToPath(new URL("../../target/debug/quivive", import.meta.url));
  const env = { ...process.env, QUIVIVE_LISTEN: new URL(own.url).host, QUIVIVE_DATA: own.data };
  const link = execFileSync(program, ["admin", "console-link", "owner@example.com"], { env, encoding: "utf8" }).trim();
  assert.match(link, new RegExp(`^${own.url}/-/console/login/[0-9A-Za-z]{43}$`));
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(link);
  await page.getByRole("button", { name: "Enter the console" }).click();
  await page.waitForURL(`${own.url}/-/console`);
  assert.match(await page.locator("main").innerText(), /Demo site/);
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.name, cookie.path, cookie.httpOnly, cookie.sameSite], ["quivive_console", "/-/", true, "Strict"]);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto(`${own.url}/-/console/projects/1`);
  assert.match(page.url(), /\/login$/);
  await page.goto(link);
  await page.getByRole("button", { name: "Enter the console" }).click();
  assert.match(await page.locator("main").innerText(), /used before, is older than ten minutes/);
  await context.close();
  await own.stop();
});

test("the slider tells what it would change while it moves, and saves", async () => {
  const near = await send(FIREFOX, ["snapshot", SCREEN_READER]);
  await send(CHROME, ["snapshot", PERSON]);
  await waitFor(async () => (await readVerdict(near)).verdict === "likely_human", "the score");
  const { context, page, faults } = await open();
  await waitFor(async () => {
    await page.goto(project("/settings"));
    return (await page.locator("#preview rect").count()) > 1;
  }, "both scores in the histogram");
  assert.match(await page.locator("#preview").innerText(), /are in a bot band/);
  await page.locator("#threshold").focus();
  for (let step = 0; step < 10; step += 1) await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("#threshold-value").innerText(), "40");
  await waitFor(async () => /\+1 into a bot band/.test(await page.locator("#preview").innerText()), "the preview");
  assert.equal(await page.locator("#preview tbody tr").count(), 1);
  assert.match(await page.locator("#preview tbody").innerText(), /35\s+Likely human\s+35\s+Likely automated/);
  assert.equal((await readVerdict(near)).verdict, "likely_human", "nothing is changed yet");
  await page.getByRole("switch", { name: /Challenge likely bots/ }).check();
  await page.getByRole("button", { name: "Save settings" }).click();
  await page.waitForURL(/saved=1/);
  assert.deepEqual(await readVerdict(near).then(({ verdict, action }) => [verdict, action]), ["likely_automated", "challenge"]);
  await page.goto(project("/settings"));
  await page.locator("#threshold").fill("30");
  await page.getByRole("switch", { name: /Challenge likely bots/ }).uncheck();
  await page.getByRole("button", { name: "Save settings" }).click();
  await page.waitForURL(/saved=1/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("a wrong rule is marked where it is wrong, a right one blocks, and the block is listed", async () => {
  const session = await send(FIREFOX, ["snapshot", PERSON]);
  await waitFor(async () => (await readVerdict(session)).verdict === "likely_human", "the score");
  const { context, page, faults } = await open();
  await page.goto(project("/rules"));
  await page.locator("#rule-name").fill("No more checkout");
  await page.locator("#rule-action").selectOption("block");
  await page.locator("#expression").fill('path == "/checkout" AND scorre > 50');
  await waitFor(async () => (await page.locator("#fault mark").count()) === 1, "the mark");
  assert.equal(await page.locator("#fault mark").innerText(), "scorre");
  assert.match(await page.locator("#check").innerText(), /Unknown field "scorre"/);
  await page.getByRole("button", { name: "Go to character 25" }).click();
  const selected = await page.locator("#expression").evaluate((field) => field.value.slice(field.selectionStart, field.selectionEnd));
  assert.equal(selected, "scorre");
  await page.keyboard.type("score");
  await page.locator("#rule-path").fill("/checkout");
  await waitFor(async () => /would have touched [1-9]/.test(await page.locator("#check").innerText()), "the trial");
  await page.getByRole("button", { name: "Make the rule" }).click();
  await page.waitForURL(/done=made/);
  assert.match(await page.locator(".rules").innerText(), /No more checkout/);

  assert.equal((await readVerdict(session)).action, "allow");
  assert.equal((await readVerdict(session, "?path=/checkout")).action, "block");
  await waitFor(async () => {
    await page.goto(project("/blocks"));
    return /Rule "No more checkout" matched/.test(await page.locator("main").innerText());
  }, "the block");
  assert.match(await page.locator("main").innerText(), /\/checkout/);
  await page.goto(project("/rules"));
  await page.locator("summary", { hasText: "Delete" }).click();
  await page.getByRole("button", { name: "Delete this rule" }).click();
  await page.waitForURL(/done=deleted/);
  assert.equal((await readVerdict(session, "?path=/checkout")).action, "allow");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a server that does not answer is said, and found again", async () => {
  const { context, page } = await open();
  await page.goto(project());
  await page.route("**/live*", (route) => route.abort());
  await waitFor(() => page.locator("#connection").isVisible(), "the notice");
  await page.unroute("**/live*");
  await waitFor(() => page.locator("#connection").isHidden(), "its end");
  await context.close();
});

test("without scripts everything can be read and saved", async () => {
  const session = await send(CHROME, ["snapshot", PERSON]);
  const { context, page } = await open({ javaScriptEnabled: false });
  await waitFor(async () => {
    await page.goto(project("/sessions"));
    return (await page.locator(`#session-${session}`).count()) === 1;
  }, "the session");
  await page.locator(`#session-${session}`).click();
  assert.match(await page.locator("main").innerText(), /No bot signals; natural interaction profile/);
  await page.goto(project());
  await page.locator("summary", { hasText: "The same as a table" }).click();
  assert.match(await page.locator("table.numbers").innerText(), /Likely human/);
  await page.goto(project("/settings"));
  await page.getByRole("button", { name: "Show what it would change" }).click();
  assert.match(page.url(), /likely_bot_threshold=30/);
  await page.getByRole("button", { name: "Save settings" }).click();
  assert.match(page.url(), /saved=1/);
  await context.close();
});

test("everything can be reached by keyboard, with a visible focus", async () => {
  const { context, page } = await open();
  for (const [path, wanted] of [["", ["7 days", "The same as a table"]], ["/settings", ["threshold", "Save settings"]], ["/rules", ["rule-name", "expression", "Make the rule"]], ["/keys", ["Replace this key"]]]) {
    await page.goto(project(path));
    const reached = [];
    for (let press = 0; press < 60; press += 1) {
      await page.keyboard.press("Tab");
      const [names, outline] = await page.evaluate(() => {
        const element = document.activeElement;
        return [element === document.body ? [] : [element.id, element.textContent.trim()], getComputedStyle(element).outlineStyle];
      });
      if (names.length === 0) break;
      reached.push(...names);
      assert.notEqual(outline, "none", `${path}: ${names} shows no focus`);
    }
    for (const name of wanted) assert.ok(reached.includes(name), `${name} not in ${reached}`);
  }
  await context.close();
});

for (const [width, height, scheme] of [[1280, 900, "light"], [1280, 900, "dark"], [390, 844, "light"], [390, 844, "dark"]]) {
  test(`at ${width} pixels, ${scheme}: every page is quiet and fits`, async () => {
    for (let place = 0; place < 4; place += 1) {
      await send(CHROME, ["js_probe", { js_passed: true }], ["snapshot", { ...PERSON, mouse_moves: 24 + place }]);
      await send(CHROME, ["snapshot", { mouse_moves: 40, mouse_entropy: 0, click_events: 1 }]);
      await send(FIREFOX, ["snapshot", { scroll_events: 6, scroll_velocity: 90_000 }]);
      await send("curl/8.5.0", ["snapshot", PERSON]);
      await send(HEADLESS, ["js_probe", { webdriver: true, headless: true }], ["snapshot", { total_ms: 8000, visible_ms: 8000 }]);
    }
    const { context, page, faults } = await open({ viewport: { width, height }, colorScheme: scheme });
    const look = async (name) => {
      await page.waitForTimeout(300);
      await assertFits(page, name);
      await page.screenshot({ path: join(SCREENSHOTS, `console-${name}-${width}-${scheme}.png`), fullPage: true });
    };
    await look("projects");
    await waitFor(async () => {
      await page.goto(project());
      return (await page.locator("#live tbody tr", { hasText: "Definitely a bot" }).count()) > 0;
    }, "scored sessions");
    await waitFor(async () => (await page.locator(".chart canvas").count()) === 1, "the chart");
    await look("overview");
    await page.getByRole("link", { name: "30 days" }).click();
    await waitFor(async () => /range=30d/.test(page.url()), "the longer range");
    await waitFor(async () => (await page.locator(".chart canvas").count()) === 1, "its chart");
    await assertFits(page, "thirty days");
    await page.locator("#live tbody tr", { hasText: "Definitely a bot" }).first().locator("a").click();
    await look("session");
    await page.goto(project("/settings?likely_bot_threshold=45"));
    await look("settings");
    await page.goto(project("/rules"));
    await page.locator("#rule-name").fill("Guard checkout");
    await page.locator("#expression").fill('score < 40 AND pth == "/checkout" AND NOT verified_bot');
    await waitFor(async () => (await page.locator("#fault mark").count()) === 1, "the mark");
    await look("rule-wrong");
    await page.locator("#expression").fill("score < 40 AND NOT verified_bot");
    await waitFor(async () => (await page.locator("[data-state=good].check").count()) === 1, "the trial");
    await look("rule-right");
    for (const name of ["sessions", "blocks", "keys"]) {
      await page.goto(project(`/${name}`));
      await look(name);
    }
    await page.goto(project("/sessions/sess_unknown"));
    assert.match(await page.locator("main").innerText(), /Nobody here/);
    assert.deepEqual(faults.filter((fault) => !/404/.test(fault)), []);
    await page.goto(`${service.url}/-/console/login`);
    await look("login");
    await context.close();
  });
}
