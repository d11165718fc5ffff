// A page with nothing on it but the collector, and what the demo server thinks of who is there.

import { SITE_KEY, startSite, waitFor } from "./service.mjs";

/** An ordinary desktop browser's user agent, so that nothing but movement and the probe's flags is left. */
const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36";

/** Ids of the behavioural engine. */
const BEHAVIORAL = [50331648, 67108863];
/** Of these, what says that nothing was done rather than how. */
const ABSENCE = [50331648, 50331651];

/** A site on which `page()` opens a visit of its own, without the collector if not `isWatched`; `stop` closes it. */
export async function openField(browser, service, viewport = { width: 1200, height: 1000 }) {
  const sent = [];
  const tag = `<script type="module" src="${service.url}/v1/sdk.mjs" data-botect-sdk data-site-key="${SITE_KEY}"></script>`;
  const style = "body{margin:0;height:100vh;user-select:none}";
  const site = await startSite(({ url }) => ({
    body: `<!doctype html><title>Field</title><link rel="icon" href="data:,"><style>${style}</style>${url === "/" ? tag : ""}`,
  }));
  const page = async ({ isWatched = true } = {}) => {
    const userAgent = USER_AGENT.replace("{version}", browser.version().split(".")[0]);
    const context = await browser.newContext({ viewport, userAgent });
    const opened = await context.newPage();
    opened.on("request", (request) => request.method() === "POST" && sent.push(...request.postDataJSON().events));
    await opened.goto(isWatched ? site.url : `${site.url}/bare`);
    if (isWatched) await opened.waitForFunction(() => window[Symbol.for("quivive.collector")]);
    await opened.waitForTimeout(600);
    return opened;
  };
  return { page, snapshots: () => sent.filter(({ type }) => type === "snapshot"), stop: () => site.stop() };
}

/** What the demo server knows of a page's session once it is scored: verdict, signals, probe, evidence. */
export async function seenOf(service, page) {
  const token = await waitFor(
    () => page.evaluate(async () => {
      const { flush, currentSession } = await import(document.querySelector("script[data-botect-sdk]").src);
      flush();
      return currentSession();
    }),
    "a session",
  );
  const answer = await fetch(`${service.url}/-/demo/session/${token}`);
  return answer.status === 200 ? answer.json() : undefined;
}

/** Whether an item of evidence tells how somebody moves. */
export const isBehavioral = ({ number }) => number >= BEHAVIORAL[0] && number <= BEHAVIORAL[1] && !ABSENCE.includes(number);
