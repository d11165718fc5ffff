// Replays recorded traces of people in Chromium against the demo server and prints what the behavioural engine says.
//
//   node replay.mjs --data DIR [--traces 12]
//
// DIR has the layout of the evaluation's data: DIR/pointer/human/freihaut2021.jsonl.gz. The straight lines and the
// imitated hand go first, for comparison. Exit code 1 when a person lands in a bot band or a tool does not.

import { join } from "node:path";
import { parseArgs } from "node:util";

import { isBehavioral, openField, seenOf } from "./field.mjs";
import { driveGhost, driveStraight, driveTrace, readTraces } from "./hands.mjs";
import { startBrowser, startService } from "./service.mjs";

const { values } = parseArgs({ options: { data: { type: "string" }, traces: { type: "string", default: "12" } } });
if (!values.data) {
  console.error("usage: node replay.mjs --data DIR [--traces 12]");
  process.exit(2);
}

const traces = spread(readTraces(join(values.data, "pointer/human/freihaut2021.jsonl.gz")), Number(values.traces));
const service = await startService();
const browser = await startBrowser();
const field = await openField(browser, service, { width: 1920, height: 1200 });
let wrong = 0;
try {
  await report("straight lines", true, driveStraight);
  await report("ghost-cursor", true, driveGhost);
  for (const trace of traces) await report(`person ${trace.subject}, ${trace.id}`, false, (page) => driveTrace(page, trace));
} finally {
  await field.stop();
  await browser.close();
  await service.stop();
}
process.exitCode = wrong > 0 ? 1 : 0;

async function report(name, isTool, drive) {
  const page = await field.page();
  await drive(page);
  await page.waitForTimeout(1500);
  await seenOf(service, page);
  await page.waitForTimeout(1500);
  const { verdict, threshold, signals, probe, evidence } = await seenOf(service, page);
  const found = evidence.filter(isBehavioral).map(({ number, text }) => `${number} ${text}`);
  const isInBand = verdict.score < threshold;
  if (isInBand !== isTool) wrong += 1;
  const flags = Object.entries(probe).filter(([flag, value]) => value === true && flag !== "passed").map(([flag]) => flag);
  console.log(`${name.padEnd(32)} score ${String(verdict.score).padStart(2)} ${verdict.verdict.padEnd(17)} moves ${String(signals.mouse_moves).padStart(4)} naturalness ${signals.mouse_entropy ?? "-"}  movement: ${found.join("; ") || "nothing against"}  probe: ${flags.join(", ") || "nothing"}`);
  await page.context().close();
}

/** `count` items at even distances. */
function spread(items, count) {
  const step = Math.max(1, items.length / count);
  return Array.from({ length: Math.min(count, items.length) }, (_, index) => items[Math.floor(index * step)]);
}
