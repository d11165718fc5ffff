// The pages about single requests, as an owner uses them.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startBrowser, startService, startSite, waitFor, watch } from "./service.mjs";

const SCREENSHOTS = process.env.QUIVIVE_SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));
const KEY = "as_live_DemoDetectionKey0000000000000000";
const CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const BROWSER = {
  accept: "text/html,application/xhtml+xml",
  "accept-encoding": "gzip, deflate, br",
  "accept-language": "en",
  "sec-ch-ua": '"Chromium";v="140", "Not=A?Brand";v="24"',
  "sec-ch-ua-platform": '"Linux"',
  "sec-fetch-dest": "document",
  "sec-fetch-mode": "navigate",
  "sec-fetch-site": "none",
  "user-agent": CHROME,
};
const AGENTS = [
  "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
  "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
  "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
  "curl/8.5.0",
  "python-requests/2.32.3",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
];

let service;
let browser;
let receiver;
const notices = [];

before(async () => {
  receiver = await startSite((request, text) => {
    notices.push({ headers: request.headers, body: JSON.parse(text) });
    return { body: "ok" };
  });
  service = await startService({
    QUIVIVE_WEBHOOKS__ALLOW_INSECURE_WEBHOOKS: "true",
    QUIVIVE_WEBHOOKS__PORTS: new URL(receiver.url).port,
    QUIVIVE_OUTBOUND__ALLOW_PRIVATE: "127.0.0.1/32",
  });
  browser = await startBrowser();
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(async () => {
  await browser?.close();
  await receiver?.stop();
  await service?.stop();
});

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = watch(page, [service.url]);
  await page.goto(`${service.url}/-/console`);
  await page.getByRole("button", { name: "Enter the demo console" }).click();
  await page.waitForURL(`${service.url}/-/console`);
  return { context, page, faults };
}

const at = (path = "") => `${service.url}/-/console/projects/1/detections${path}`;

async function describe(body, key = KEY) {
  return fetch(`${service.url}/api/v1/detect`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-agentshield-key": key },
    body: JSON.stringify({ ip: "203.0.113.7", url: "https://shop.example/goods", method: "GET", ...body }),
  });
}

const figure = async (page) => Number(await page.locator("#figure-all").innerText());

test("figures and the live list move while requests are described, and each is explained", async () => {
  await describe({ userAgent: AGENTS[0] });
  const { context, page, faults } = await open();
  await page.goto(at());
  await waitFor(async () => (await page.locator("#figure-all").count()) === 1, "the first figures");
  const before = await figure(page);
  for (const userAgent of AGENTS) await describe({ userAgent });
  await describe({ headers: BROWSER });
  await waitFor(async () => (await figure(page)) >= before + 7, "the figures to move");
  await waitFor(async () => (await page.locator(".chart canvas").count()) === 1, "the chart");
  await page.getByRole("link", { name: "Live" }).click();
  const known = await page.locator("#log tbody tr").count();
  await describe({ userAgent: AGENTS[1], url: "https://shop.example/new" });
  await waitFor(async () => (await page.locator("#log tbody tr").count()) > known, "the new one in the list");
  const first = page.locator("#log tbody tr").first();
  assert.match(await first.innerText(), /ClaudeBot/);
  await first.locator("a").click();
  const text = await page.locator("main").innerText();
  assert.match(text, /User agent of a known agent/);
  assert.match(text, /Anthropic/);
  assert.match(text, /Training of AI models/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("an owner makes a key, a pixel and a webhook, and sees a delivery", async () => {
  const { context, page, faults } = await open();
  await page.goto(at("/keys"));
  await page.locator("#key-name").fill("Shop server");
  await page.getByRole("button", { name: "Make the key" }).click();
  const key = await page.locator("#fresh-secret").innerText();
  assert.match(key, /^as_live_/);
  assert.equal((await describe({ userAgent: AGENTS[0] }, key)).status, 200);
  await page.goto(at("/keys"));
  assert.ok(!(await page.content()).includes(key), "the key is shown once");

  await page.goto(at("/pixels"));
  await page.getByRole("button", { name: "Make the pixel" }).click();
  await page.waitForURL(/done=made/);
  const snippet = await page.locator(".entries .command pre").last().innerText();
  const script = await fetch(snippet.match(/src="([^"]+)"/)[1]);
  assert.equal(script.status, 200, snippet);

  await page.goto(at("/webhooks"));
  await page.locator("#webhook-url").fill(`${receiver.url}/in`);
  await page.getByRole("button", { name: "Make the webhook" }).click();
  assert.ok((await page.locator("#fresh-secret").innerText()).length > 20);
  await page.getByRole("button", { name: "Send a test" }).click();
  await waitFor(async () => /delivered/.test(await page.locator("#deliveries").innerText()), "the delivery");
  assert.ok(notices.some(({ body, headers }) => body.event === "webhook.test" && headers["x-agentshield-signature"]));
  await describe({ userAgent: AGENTS[4] });
  await waitFor(async () => /detection\.created/.test(await page.locator("#deliveries").innerText()), "a detection's delivery");
  assert.deepEqual(faults, []);
  await context.close();
});

for (const [width, height, scheme] of [[1280, 900, "light"], [1280, 900, "dark"], [390, 844, "light"], [390, 844, "dark"]]) {
  test(`at ${width} pixels, ${scheme}: every page is quiet and fits`, async () => {
    for (const userAgent of AGENTS) await describe({ userAgent, url: `https://shop.example/goods/${width}` });
    for (let place = 0; place < 4; place += 1) await describe({ headers: BROWSER, ip: `198.51.100.${place}` });
    const { context, page, faults } = await open({ viewport: { width, height }, colorScheme: scheme });
    const look = async (name) => {
      await page.waitForTimeout(300);
      const overhang = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      await page.screenshot({ path: join(SCREENSHOTS, `detections-${name}-${width}-${scheme}.png`), fullPage: true });
      assert.ok(overhang <= 0, `${name}: ${overhang} pixels too wide`);
    };
    await page.goto(at("?period=hour"));
    await waitFor(async () => (await page.locator(".chart canvas").count()) === 1, "the chart");
    await look("figures");
    await page.goto(at("/log"));
    await waitFor(async () => (await page.locator("#log tbody tr", { hasText: "GPTBot" }).count()) > 0, "the list");
    await look("log");
    await page.locator("#log tbody tr", { hasText: "GPTBot" }).first().locator("a").click();
    await look("detail");
    for (const name of ["policy", "keys", "pixels", "webhooks"]) {
      await page.goto(at(`/${name}`));
      await look(name);
    }
    await page.locator("#webhook-url").fill("https://10.0.0.1/");
    await page.getByRole("button", { name: "Make the webhook" }).click();
    assert.match(await page.locator("#fault-url").innerText(), /public one/);
    await look("webhook-wrong");
    assert.deepEqual(faults.filter((fault) => !/422/.test(fault)), []);
    await context.close();
  });
}
