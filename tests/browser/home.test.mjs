import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { behave, recordBatches, startBrowser, startService, waitFor, watch } from "./service.mjs";

const SCREENSHOTS = process.env.QUIVIVE_SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));

let service;
let browser;

before(async () => {
  service = await startService();
  browser = await startBrowser();
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

/** Opens the page, hands it to `action`, and holds that nothing went wrong on the way. */
async function visit(options, action) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = watch(page, [service.url]);
  await page.goto(service.url);
  try {
    await action(page);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
}

const text = (page, selector) => page.locator(selector).innerText();

for (const [width, height, scheme] of [[1280, 900, "light"], [1280, 900, "dark"], [390, 844, "light"], [390, 844, "dark"]]) {
  test(`at ${width} pixels, ${scheme}: scored live, proved, tampered with, nothing sticks out`, async () => {
    await visit({ viewport: { width, height }, colorScheme: scheme }, async (page) => {
      const batches = recordBatches(page);
      await behave(page);
      await waitFor(async () => /^\d+$/.test(await text(page, "#score")), "a score", 5000);
      await page.locator("#prove").click();
      await waitFor(async () => /^Verified in this page/.test(await text(page, "#proof-result")), "a verified token");
      await page.getByRole("button", { name: "GPTBot" }).click();
      await waitFor(async () => /GPTBot/.test(await text(page, "#classification")), "a classification");
      await page.locator(".endpoints summary").click();
      await page.waitForTimeout(1500);
      assert.ok(batches.length > 0);
      const overhang = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overhang <= 0, `${overhang} pixels too wide`);
      await page.locator(".endpoints summary").click();
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: join(SCREENSHOTS, `home-${width}-${scheme}.png`), fullPage: true });
    });
  });
}

test("the page tells what headless Chromium shows, live", async () => {
  await visit({}, async (page) => {
    await behave(page);
    await waitFor(async () => (await text(page, "#band")) === "Definitely a bot", "the band", 5000);
    assert.equal(await text(page, "#score"), "1");
    assert.match(await text(page, "#reason"), /Automation browser user agent/);
    assert.match(await text(page, "#checks"), /Remote control reported/);
    assert.match(await text(page, "#evidence"), /33554433/);
    assert.equal(await page.getAttribute("#scale", "aria-valuenow"), "1");
    const keys = () => page.locator("#signals div", { hasText: "Keys" }).locator("dd").innerText();
    await waitFor(async () => (await keys()) === "6", "six keys");
    await page.keyboard.type("or foe");
    await waitFor(async () => (await keys()) === "12", "twelve keys");
    const session = await text(page, "#session");
    assert.match(session, /^sess_[0-9a-f]{48}$/);
    assert.match(await text(page, ".commands"), new RegExp(session));
  });
});

test("a token is refused by its code once a character is changed, and holds again when it is put back", async () => {
  await visit({}, async (page) => {
    await page.locator("#prove").click();
    await waitFor(async () => /^Verified in this page/.test(await text(page, "#proof-result")), "a verified token");
    assert.match(await text(page, "#token-claims"), /"type": "botcha-verified"/);
    const token = await text(page, "#token");
    await page.locator("#tamper").click();
    assert.notEqual(await text(page, "#token"), token);
    assert.match(await text(page, "#proof-result"), /SIGNATURE_MISMATCH/);
    assert.equal(await page.getAttribute("#step-verify", "data-state"), "failed");
    assert.equal(await page.evaluate(() => document.activeElement.id), "restore");
    await page.keyboard.press("Enter");
    assert.equal(await text(page, "#token"), token);
    assert.match(await text(page, "#proof-result"), /^Verified in this page/);
    const answer = await fetch(`${service.url}/agent-only`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200);
  });
});

test("everything can be reached and used by keyboard, with a visible focus", async () => {
  await visit({}, async (page) => {
    const reached = [];
    for (let press = 0; press < 40; press += 1) {
      await page.keyboard.press("Tab");
      const [name, outline] = await page.evaluate(() => {
        const element = document.activeElement;
        const name = element === document.body ? "" : element.id || element.textContent.trim();
        return [name, getComputedStyle(element).outlineStyle];
      });
      // After the last element the focus leaves the page.
      if (name === "") break;
      reached.push(name);
      assert.notEqual(outline, "none", `${name} shows no focus`);
      if (name === "prove") await page.keyboard.press("Enter");
    }
    for (const name of ["Skip to your visit", "typing", "prove", "agent", "Classify", "GPTBot", "The guide that programs read, with every endpoint"]) {
      assert.ok(reached.includes(name), `${name} not in ${reached}`);
    }
    await waitFor(async () => /^Verified in this page/.test(await text(page, "#proof-result")), "a verified token");
  });
});

test("a server that does not answer is said, and found again", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(service.url);
  await waitFor(async () => (await text(page, "#visit-state")) === "Live", "the live state");
  await page.route("**/*", (route) => route.abort());
  await waitFor(async () => /does not answer/.test(await text(page, "#visit-state")), "the lost state");
  await page.locator("#prove").click();
  await waitFor(async () => /Not proved/.test(await text(page, "#proof-result")), "the failed proof");
  assert.match(await text(page, "#steps"), /does not answer|Failed to fetch/);
  await page.unroute("**/*");
  await waitFor(async () => (await text(page, "#visit-state")) === "Live", "the live state again");
  await page.locator("#prove").click();
  await waitFor(async () => /^Verified in this page/.test(await text(page, "#proof-result")), "a verified token");
  assert.deepEqual(errors, []);
  await context.close();
});

test("without the demo project the page says so and the rest works", async () => {
  const plain = await startService({}, ["serve"]);
  const page = await browser.newPage();
  const faults = watch(page, [plain.url]);
  const batches = recordBatches(page);
  await page.goto(plain.url);
  assert.match(await text(page, "#visit"), /without the demo project/);
  await page.locator("#prove").click();
  await waitFor(async () => /^Verified in this page/.test(await text(page, "#proof-result")), "a verified token");
  await page.waitForTimeout(1500);
  assert.deepEqual(batches, []);
  assert.deepEqual(faults, []);
  await page.close();
  await plain.stop();
});
