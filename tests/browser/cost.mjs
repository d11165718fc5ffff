// What the collector costs a page: the main thread's time in its script per second of mouse movement, from the
// browser's own trace. Prints one line of JSON.

import { openField } from "./field.mjs";
import { startBrowser, startService } from "./service.mjs";

const SECONDS = 10;
const INTERVAL_MS = 8;

const service = await startService();
// Without the limit a browser tells of movement once a frame: 60 times a second.
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-frame-rate-limit"];
const browser = await startBrowser({ args });
const field = await openField(browser, service);
try {
  const page = await field.page();
  await page.evaluate(() => {
    window.moves = 0;
    addEventListener("mousemove", () => (window.moves += 1));
  });
  await page.waitForTimeout(1500);
  await browser.startTracing(page, { categories: ["devtools.timeline", "v8"] });
  const start = performance.now();
  let sent = 0;
  for (; performance.now() - start < SECONDS * 1000; sent += 1) {
    const angle = sent / 20;
    await page.mouse.move(600 + 300 * Math.cos(angle) + 40 * Math.sin(angle * 7), 500 + 300 * Math.sin(angle));
    const rest = start + (sent + 1) * INTERVAL_MS - performance.now();
    if (rest > 0.5) await new Promise((resolve) => setTimeout(resolve, rest));
  }
  const seconds = (performance.now() - start) / 1000;
  const moves = await page.evaluate(() => window.moves);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const calls = traceEvents.filter(({ name, args: { data } = {} }) => name === "FunctionCall" && /\/v1\/sdk\.m?js$/.test(data?.url ?? ""));
  // Time on the processor, so that a busy machine does not count.
  const milliseconds = calls.reduce((sum, { tdur, dur }) => sum + (tdur ?? dur ?? 0), 0) / 1000;
  const rounded = (value) => Number(value.toFixed(3));
  console.log(JSON.stringify({
    ms_per_second: rounded(milliseconds / seconds),
    moves_per_second: rounded(moves / seconds),
    us_per_move: rounded((milliseconds * 1000) / moves),
    calls: calls.length,
  }));
} finally {
  await field.stop();
  await browser.close();
  await service.stop();
}
