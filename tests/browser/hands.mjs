// Ways to drive a page's mouse: a straight line, a generator that imitates people, a recorded trace.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";

const { path } = createRequire(import.meta.url)("ghost-cursor");

const FRAME_MS = 1000 / 60;

/** Places all over a viewport of 1200 × 1000, far apart. */
export const TARGETS = [[180, 160], [960, 240], [420, 760], [1040, 820], [240, 420], [760, 120], [560, 560], [1100, 460], [140, 860], [640, 300]];

/** Playwright's own movement: equal steps on a straight line. */
export async function driveStraight(page, targets = TARGETS) {
  for (const [x, y] of targets) {
    await page.mouse.move(x, y, { steps: 25 });
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForTimeout(250);
  }
}

/** ghost-cursor's curves, a point each frame, as its own player sends them. */
export async function driveGhost(page, targets = TARGETS) {
  let from = { x: 20, y: 20 };
  for (const [x, y] of targets) {
    const points = path(from, { x, y });
    await play(page, points.map((point, index) => [index * FRAME_MS, "m", point.x, point.y]));
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForTimeout(250);
    from = { x, y };
  }
}

/** A recorded trace: `t` milliseconds, `x`, `y` pixels, `e` one letter per event (m move, d down, u up, w wheel). */
export async function driveTrace(page, trace) {
  const right = Math.max(...trace.x);
  const bottom = Math.max(...trace.y);
  const { width, height } = page.viewportSize();
  if (right >= width || bottom >= height) throw new Error(`the trace needs a viewport of ${right + 1} × ${bottom + 1}`);
  await play(page, trace.t.map((time, index) => [time, trace.e[index], trace.x[index], trace.y[index]]));
}

/** The traces of one file of recordings, one JSON object a line. */
export function readTraces(file) {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Sends events at their times; the browser takes the time of each when it comes. */
async function play(page, events) {
  const start = performance.now();
  const hasReleases = events.some(([, kind]) => kind === "u");
  for (const [time, kind, x, y] of events) {
    const rest = start + time - performance.now();
    if (rest > 0.5) await new Promise((resolve) => setTimeout(resolve, rest));
    if (kind === "w") await page.mouse.wheel(0, 40);
    else if (kind === "u") await page.mouse.up();
    else await page.mouse.move(x, y);
    if (kind === "d") await page.mouse.down();
    // A recorder that wrote clicks only has no releases.
    if (kind === "d" && !hasReleases) {
      await page.waitForTimeout(70);
      await page.mouse.up();
    }
  }
}
