// What the collector costs a page: the main thread's time in scripts per second of mouse movement, with the collector
// less without it, in turns. Prints one line of JSON.

import { openField } from "./field.mjs";
import { startBrowser, startService } from "./service.mjs";

const ROUNDS = 6;
const SECONDS = 5;
/** A mouse of 125 Hz; the browser tells of it once a frame. */
const INTERVAL_MS = 8;
/** After the snapshots of the first seconds, as most of a visit is. */
const SETTLED_MS = 8500;

const service = await startService();
const browser = await startBrowser();
const field = await openField(browser, service);
try {
  const pages = { with: await prepare(await field.page()), without: await prepare(await field.page({ isWatched: false })) };
  await pages.with.page.waitForTimeout(SETTLED_MS);
  const spent = { with: 0, without: 0, seconds: 0, moves: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of ["with", "without"]) {
      const { milliseconds, seconds, moves } = await move(pages[kind]);
      spent[kind] += milliseconds;
      spent.seconds += seconds / 2;
      spent.moves += moves / 2;
    }
  }
  const rounded = (value) => Number(value.toFixed(3));
  console.log(JSON.stringify({
    ms_per_second: rounded((spent.with - spent.without) / spent.seconds),
    us_per_move: rounded(((spent.with - spent.without) * 1000) / spent.moves),
    moves_per_second: rounded(spent.moves / spent.seconds),
    ms_per_second_without: rounded(spent.without / spent.seconds),
  }));
} finally {
  await field.stop();
  await browser.close();
  await service.stop();
}

/** Both pages listen to the mouse themselves, as pages do. */
async function prepare(page) {
  await page.evaluate(() => {
    window.moves = 0;
    addEventListener("mousemove", () => (window.moves += 1));
  });
  const session = await page.context().newCDPSession(page);
  // Time on the processor, so that a busy machine counts less.
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return { page, session };
}

async function move({ page, session }) {
  const scripted = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "ScriptDuration").value * 1000;
  };
  const seen = () => page.evaluate(() => window.moves);
  const [before, movesBefore, start] = [await scripted(), await seen(), performance.now()];
  for (let sent = 1; performance.now() - start < SECONDS * 1000; sent += 1) {
    const angle = sent / 20;
    await page.mouse.move(600 + 300 * Math.cos(angle) + 40 * Math.sin(angle * 7), 500 + 300 * Math.sin(angle));
    const rest = start + sent * INTERVAL_MS - performance.now();
    if (rest > 0.5) await new Promise((resolve) => setTimeout(resolve, rest));
  }
  const seconds = (performance.now() - start) / 1000;
  return { milliseconds: (await scripted()) - before, seconds, moves: (await seen()) - movesBefore };
}
