import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startMailbox } from "./mailbox.mjs";
import { startBrowser, startService, waitFor, watch } from "./service.mjs";

const SCREENSHOTS = process.env.QUIVIVE_SCREENSHOTS ?? fileURLToPath(new URL("../../target/screenshots", import.meta.url));
const PANELS = ["overview", "volume", "types", "errors", "performance", "geo"];
const REFRESH_MS = 15_000;

let mailbox;
let service;
let browser;
let owners = 0;

before(async () => {
  mailbox = await startMailbox();
  service = await startService({
    QUIVIVE_MAIL__SMTP_URL: mailbox.url,
    QUIVIVE_TRUSTED_PROXIES: "127.0.0.1",
    ...Object.fromEntries(
      ["VERIFICATIONS", "APP_REGISTRATIONS", "MAILS", "OWNER_LOGINS", "AGENT_REGISTRATIONS"].map((name) => [`QUIVIVE_LIMITS__${name}_PER_HOUR`, "0"]),
    ),
  });
  browser = await startBrowser();
  mkdirSync(SCREENSHOTS, { recursive: true });
});

after(async () => {
  await browser?.close();
  await service?.stop();
  await mailbox?.stop();
});

async function call(method, path, body, headers = {}) {
  const answer = await fetch(service.url + path, {
    method,
    headers: { accept: "application/json", "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

/** A new app whose address is verified with the code that arrives by mail. */
async function signUp(name = "Corner shop") {
  owners += 1;
  const email = `owner-${owners}@shop.example`;
  const { status, body } = await call("POST", "/v1/apps", { email, name });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body.verification_code, undefined, "the code comes by mail alone");
  const code = await mailbox.next(email, /\b\d{6}\b/);
  const verified = await call("POST", `/v1/apps/${body.app_id}/verify-email`, { code });
  assert.equal(verified.status, 200, JSON.stringify(verified.body));
  return { id: body.app_id, secret: body.app_secret, email };
}

const hashes = (numbers) => numbers.map((number) => createHash("sha256").update(String(number)).digest("hex").slice(0, 8));

/** An agent that asks for a challenge of the app and answers it; returns its token, if the answer is right. */
async function solve(app, { isRight = true, country = "DE" } = {}) {
  const headers = { "cf-ipcountry": country };
  const { body } = await call("GET", `/v1/token?app_id=${app.id}`, undefined, headers);
  const answers = isRight ? hashes(body.challenge.problems.map(({ num }) => num)) : Array(5).fill("00000000");
  const answer = await call("POST", "/v1/token/verify", { id: body.challenge.id, answers, app_id: app.id }, headers);
  assert.equal(answer.status, isRight ? 200 : 403, JSON.stringify(answer.body));
  return answer.body.access_token;
}

/** A page that is logged in with the app's secret. */
async function open(app, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = watch(page, [service.url]);
  await page.goto(`${service.url}/login`);
  await page.getByLabel("App id").fill(app.id);
  await page.getByLabel("App secret").fill(app.secret);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.waitForURL(`${service.url}/account`);
  return { context, page, faults };
}

const figure = (page, name) => page.locator(".cards > div", { has: page.getByText(name, { exact: true }) }).locator("dd").innerText();

test("an owner signs up, logs in by mail, sees figures move, replaces the secret and logs out", async () => {
  const app = await signUp();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const faults = watch(page, [service.url]);
  await page.goto(`${service.url}/dashboard`);
  assert.match(page.url(), /\/login$/, "nobody is logged in");
  await page.getByLabel("E-mail address").fill(app.email.toUpperCase());
  await page.getByRole("button", { name: "Send me a code" }).click();
  await page.waitForURL(/\/dashboard\/code\?email_sent=1$/);
  const code = await mailbox.next(app.email, /BOTCHA-[2-9A-Z]{6}/);
  await page.getByLabel("Code").fill(code.toLowerCase());
  await page.keyboard.press("Enter");
  await page.waitForURL(`${service.url}/account`);
  assert.match(await page.locator("main").innerText(), new RegExp(`${app.id}[\\s\\S]*${app.email}, verified`));
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ["botcha_session", true, "Lax"]);

  await page.getByRole("navigation", { name: "Site" }).getByRole("link", { name: "Dashboard" }).click();
  assert.equal(await figure(page, "Verifications"), "0");
  assert.equal(await figure(page, "Success Rate"), "–");
  assert.match(await page.locator("#panel-volume").innerText(), /No data yet/);
  await page.screenshot({ path: join(SCREENSHOTS, "dashboard-empty-1280-light.png"), fullPage: true });
  for (let turn = 0; turn < 4; turn += 1) await solve(app, { isRight: turn !== 3 });
  await waitFor(async () => (await figure(page, "Verifications")) === "4", "the figures to move by themselves", REFRESH_MS);
  assert.equal(await figure(page, "Challenges Generated"), "4");
  assert.equal(await figure(page, "Success Rate"), "75 %");
  await waitFor(async () => /speed\s+4\s+3 ok \/ 1 fail/.test(await page.locator("#panel-types").innerText()), "the types", REFRESH_MS);
  await waitFor(async () => /DE\s+8/.test(await page.locator("#panel-geo").innerText()), "the countries", REFRESH_MS);
  await waitFor(async () => (await page.locator(".chart canvas").count()) === 1, "the chart", REFRESH_MS);

  await page.getByRole("link", { name: "Account", exact: true }).click();
  await page.getByText("Replace the secret").click();
  await page.getByRole("button", { name: "Make a new secret" }).click();
  const secret = (await page.locator("main pre").first().innerText()).trim();
  assert.match(secret, /^sk_[0-9a-f]{32}$/);
  assert.notEqual(secret, app.secret);
  assert.equal((await call("POST", `/v1/apps/${app.id}/pair`, { app_secret: app.secret })).status, 401);
  assert.equal((await call("POST", `/v1/apps/${app.id}/pair`, { app_secret: secret })).status, 200);
  assert.match(await page.locator("#trail").innerText(), /app\.secret_rotated/);
  await mailbox.next(app.email, /was replaced/);

  await page.getByRole("link", { name: "Log out" }).click();
  await page.waitForURL(/\/login$/);
  await page.goto(`${service.url}/dashboard`);
  assert.match(page.url(), /\/login$/);
  assert.deepEqual(await context.cookies(), []);
  assert.deepEqual(faults, []);
  await context.close();
});

test("an agent hands a device code to its human, who enters it and sees the dashboard", async () => {
  const app = await signUp();
  await solve(app);
  const refused = await call("POST", "/v1/auth/device-code", { app_id: app.id });
  assert.equal(refused.status, 401, "an app id is no proof");
  const asked = await call("POST", "/v1/auth/device-code", { app_id: app.id, app_secret: app.secret });
  const answers = hashes(asked.body.problems);
  const { status, body } = await call("POST", "/v1/auth/device-code/verify", { challenge_id: asked.body.challenge_id, answers, app_id: app.id });
  assert.equal(status, 200, JSON.stringify(body));

  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  const page = await context.newPage();
  const faults = watch(page, [service.url]);
  await page.goto(body.login_url);
  await page.getByLabel("Code").fill(body.code.replace("BOTCHA-", ""));
  await page.keyboard.press("Enter");
  await page.waitForURL(`${service.url}/account`);
  await page.goto(`${service.url}/dashboard`);
  // The agent's own challenge, and the one of the device code.
  await waitFor(async () => (await figure(page, "Verifications")) === "2", "the figures", REFRESH_MS);
  assert.deepEqual(faults, []);

  const second = await browser.newContext();
  const again = await second.newPage();
  await again.goto(body.login_url);
  await again.getByLabel("Code").fill(body.code);
  await again.keyboard.press("Enter");
  await again.waitForURL(/error=invalid/);
  await second.close();
  await context.close();
});

test("the policy, pairing codes and agents are the owner's to change", async () => {
  const app = await signUp("<b>Shop</b>");
  const token = await solve(app);
  const registered = await call("POST", "/v1/agents/register", { name: "<img src=x onerror=alert(1)>", operator: "Ada" }, { authorization: `Bearer ${token}` });
  assert.equal(registered.status, 201, JSON.stringify(registered.body));
  const { context, page, faults } = await open(app);
  assert.match(await page.locator("#agents").innerText(), /<img src=x onerror=alert\(1\)>/, "the name is text");
  await page.getByRole("button", { name: /^Confirm / }).click();
  await page.waitForURL(/done=confirmed/);
  assert.match(await page.locator("main").innerText(), /The agent is confirmed as yours/);
  await page.locator("#agents summary").click();
  await page.getByRole("button", { name: "Delete this agent" }).click();
  await page.waitForURL(/done=deleted/);
  assert.match(await page.locator("#agents").innerText(), /No agent is registered yet/);
  await page.getByRole("button", { name: "Let agents register with a pairing code only" }).click();
  await page.waitForURL(/done=policy/);
  assert.equal((await call("POST", "/v1/agents/register", { name: "Late" }, { authorization: `Bearer ${token}` })).status, 403);
  await page.getByRole("button", { name: "Make a pairing code" }).click();
  const code = (await page.locator("main pre").first().innerText()).trim();
  const paired = await call("POST", "/v1/agents/register", { name: "Paired", pair_code: code }, { authorization: `Bearer ${token}` });
  assert.equal(paired.status, 201, JSON.stringify(paired.body));
  assert.deepEqual(faults, []);
  await context.close();
});

test("a panel that cannot be read says so, and finds the server again", async () => {
  const app = await signUp();
  await solve(app);
  const { context, page } = await open(app);
  await page.goto(`${service.url}/dashboard`);
  const notice = page.locator(".panel-types .panel-fault");
  assert.equal(await notice.isVisible(), false);
  await page.route("**/dashboard/api/types*", (route) => route.fulfill({ status: 503, contentType: "application/json", body: "{}" }));
  await waitFor(() => notice.isVisible(), "the notice", REFRESH_MS);
  assert.match(await notice.innerText(), /could not be read/);
  assert.equal(await page.locator(".panel-geo .panel-fault").isVisible(), false, "the others go on");
  await page.unroute("**/dashboard/api/types*");
  await notice.getByRole("button", { name: "Try now" }).click();
  await waitFor(() => notice.isHidden(), "its end");
  await context.close();
});

test("an open page whose session has ended goes to the login", async () => {
  const app = await signUp();
  const { context, page } = await open(app);
  await page.goto(`${service.url}/dashboard`);
  await context.clearCookies();
  await page.waitForURL(/\/login$/, { timeout: REFRESH_MS });
  await context.close();
});

test("a page that nobody looks at asks for nothing, and a table that is read stays", async () => {
  const app = await signUp();
  await solve(app);
  const { context, page } = await open(app);
  await page.goto(`${service.url}/dashboard`);
  await waitFor(async () => (await page.locator(".chart canvas").count()) === 1 || (await page.reload(), false), "the chart");
  await page.getByText("The same as a table").click();
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.waitForTimeout(11_000);
  assert.ok(asked.includes("/dashboard/api/types"), "others refresh");
  assert.ok(!asked.includes("/dashboard/api/volume"), "the table that is open does not");
  assert.equal(await page.locator(".table-of table").isVisible(), true);
  await page.evaluate(() => Object.defineProperty(document, "hidden", { value: true, configurable: true }));
  asked.length = 0;
  await page.waitForTimeout(11_000);
  assert.deepEqual(asked, []);
  await context.close();
});

test("without scripts everything can be read and done", async () => {
  const app = await signUp();
  await solve(app);
  const { context, page } = await open(app, { javaScriptEnabled: false });
  await waitFor(async () => {
    await page.goto(`${service.url}/dashboard?period=1h`);
    return (await figure(page, "Verifications")) === "1";
  }, "the figures");
  assert.match(await page.locator("#panel-volume").innerText(), /2 events: 1 challenges given out, 1 right answers/);
  await page.getByText("The same as a table").click();
  assert.equal(await page.locator(".table-of tbody tr").count(), 12);
  await page.getByRole("link", { name: "7d" }).click();
  assert.match(page.url(), /period=7d/);
  assert.equal(await page.locator(".ranges [aria-current]").innerText(), "7d");
  await page.goto(`${service.url}/account`);
  await page.getByRole("button", { name: "Log out everywhere" }).click();
  assert.match(page.url(), /\/login$/);
  await context.close();
});

test("everything can be reached by keyboard, with a visible focus", async () => {
  const app = await signUp();
  await solve(app);
  const { context, page } = await open(app);
  for (const [path, wanted] of [["/dashboard", ["30d", "The same as a table"]], ["/account", ["Replace the secret", "Make a pairing code", "Log out everywhere"]]]) {
    await waitFor(async () => {
      await page.goto(service.url + path);
      return path !== "/dashboard" || (await figure(page, "Verifications")) === "1";
    }, "the figures");
    const reached = [];
    for (let press = 0; press < 60; press += 1) {
      await page.keyboard.press("Tab");
      const [name, outline] = await page.evaluate(() => {
        const element = document.activeElement;
        return [element === document.body ? "" : element.textContent.trim(), getComputedStyle(element).outlineStyle];
      });
      if (!name) break;
      reached.push(name);
      assert.notEqual(outline, "none", `${path}: ${name} shows no focus`);
    }
    for (const name of wanted) assert.ok(reached.includes(name), `${name} not in ${reached}`);
  }
  await context.close();
});

for (const [width, height, colorScheme] of [[1280, 900, "light"], [1280, 900, "dark"], [390, 844, "light"], [390, 844, "dark"]]) {
  test(`at ${width} pixels, ${colorScheme}: dashboard and account are quiet and fit`, async () => {
    const app = await signUp("A shop with a rather long name at the corner of two streets");
    for (const [place, country] of ["DE", "DE", "DE", "FR", "FR", "US", "JP", "BR"].entries()) {
      await solve(app, { country, isRight: place % 4 !== 3 });
    }
    const token = await solve(app);
    const agents = ["Shopping helper", "An agent with a name that is as long as names of agents come, and then some more"];
    for (const name of agents) await call("POST", "/v1/agents/register", { name, operator: "Ada", version: "2.1" }, { authorization: `Bearer ${token}` });
    await call("GET", `/v1/challenges?type=standard&app_id=${app.id}`);
    const { context, page, faults } = await open(app, { viewport: { width, height }, colorScheme });
    const look = async (name) => {
      await page.waitForTimeout(300);
      const overhang = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overhang <= 0, `${name}: ${overhang} pixels too wide`);
      await page.screenshot({ path: join(SCREENSHOTS, `dashboard-${name}-${width}-${colorScheme}.png`), fullPage: true });
    };
    await look("account");
    for (const period of ["1h", "24h", "30d"]) {
      await waitFor(async () => {
        await page.goto(`${service.url}/dashboard?period=${period}`);
        return (await figure(page, "Verifications")) === "9";
      }, "all figures");
      await waitFor(async () => (await page.locator(".chart canvas").count()) === 1, "the chart");
      for (const panel of PANELS) assert.equal(await page.locator(`.panel-${panel} .panel-fault`).isVisible(), false);
      await look(period);
    }
    await page.getByText("The same as a table").click();
    await look("table");
    assert.deepEqual(faults, []);
    await context.close();
  });
}
