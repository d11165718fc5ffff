// Real Chromium under tools that move its mouse, scored by a real server. Recordings of people are replayed by
// `node replay.mjs --data DIR`, since they are no part of this repository.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { driveGhost, driveStraight, driveTrace } from "./hands.mjs";
import { isBehavioral, openField, seenOf } from "./field.mjs";
import { startBrowser, startService, waitFor } from "./service.mjs";

let service;
let browser;
let field;

before(async () => {
  service = await startService();
  browser = await startBrowser();
  field = await openField(browser, service);
});

after(async () => {
  await field?.stop();
  await browser?.close();
  await service?.stop();
});

for (const [name, drive] of [["Playwright's straight lines", driveStraight], ["ghost-cursor's curves", driveGhost]]) {
  test(`${name} are recognised by how they move, whatever the user agent says`, async () => {
    const page = await field.page();
    await drive(page);
    const seen = await waitFor(async () => {
      const found = await seenOf(service, page);
      return found?.evidence.some(isBehavioral) && found;
    }, "a behavioural detection");
    assert.ok(seen.verdict.score < seen.threshold, JSON.stringify(seen.verdict));
    assert.ok(seen.signals.mouse_moves >= 20, JSON.stringify(seen.signals));
    // The tool's own flag stands beside it; the plain user agent does not.
    assert.deepEqual([seen.probe.webdriver, seen.probe.headless_ua], [true, false]);
    await page.context().close();
  });
}

test("the features that a page sends are those of the path that it saw, number by number", async () => {
  const page = await field.page();
  await page.evaluate(() => {
    window.path = [];
    const note = (name) => ({ timeStamp, clientX, clientY }) => window.path.push([name, timeStamp, clientX, clientY]);
    addEventListener("mousemove", note("moved"), true);
    addEventListener("pointerdown", note("pressed"), true);
    addEventListener("pointerup", note("released"), true);
  });
  await driveTrace(page, wanderings());
  const [path, token] = await page.evaluate(async () => {
    const { flush, currentSession } = await import(document.querySelector("script[data-botect-sdk]").src);
    flush();
    return [window.path, currentSession()];
  });
  const { payload } = await waitFor(() => field.snapshots().findLast(({ payload: sent }) => sent.motion_presses === 3), "the snapshot");
  const wasm = await (await fetch(`${service.url}/v1/sdk.wasm`)).arrayBuffer();
  const { exports: core } = (await WebAssembly.instantiate(wasm, {})).instance;
  for (const [name, ...numbers] of path) core[name](...numbers);
  const names = Buffer.from(core.memory.buffer, core.motion_names(), core.motion_names_length()).toString().trim().split(" ");
  const values = new Float64Array(core.memory.buffer, core.motion_values(), names.length);
  const expected = Object.fromEntries(names.map((name, index) => [name, values[index]]).filter(([, value]) => Number.isFinite(value)));
  const sent = Object.fromEntries(Object.entries(payload).filter(([name]) => name.startsWith("motion_") && name !== "motion_version"));
  assert.ok(token && path.length > 60 && Object.keys(sent).length > 20, `${path.length} events, ${Object.keys(sent)}`);
  assert.ok(Object.keys(sent).length <= 64);
  assert.deepEqual(sent, expected);
  await page.context().close();
});

/** Three strokes with a press at the end of each; made up, nobody's hand. */
function wanderings() {
  const trace = { t: [], x: [], y: [], e: "" };
  let time = 0;
  for (let stroke = 0; stroke < 3; stroke += 1) {
    for (let step = 0; step <= 30; step += 1) {
      const way = (1 - Math.cos((Math.PI * step) / 30)) / 2;
      trace.t.push((time += 17));
      trace.x.push(Math.round(120 + 260 * (stroke + way)));
      trace.y.push(Math.round(300 + 150 * Math.sin(2.5 * way + stroke) + 4 * Math.sin(step * 1.7)));
      trace.e += "m";
    }
    trace.t.push((time += 120));
    trace.x.push(trace.x.at(-1));
    trace.y.push(trace.y.at(-1));
    trace.e += "d";
    time += 300;
  }
  return trace;
}
