/*
 * Judges recordings as a page and a server in wasm would: the collector's wasm follows the events, the package scores
 * what would leave the page. One recording on each line in, its judgements out; numbers that are compared to the last
 * bit go out as the 64 bits of the number, in hexadecimal.
 * Usage: node wasm.mjs COLLECTOR_WASM PACKAGE_FOLDER
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [collectorFile, packageFolder] = process.argv.slice(2);
const quivive = await import(pathToFileURL(join(packageFolder, "node.js")).href);
const { instance } = await WebAssembly.instantiate(readFileSync(collectorFile), {});
const collector = instance.exports;
const names = new TextDecoder()
  .decode(new Uint8Array(collector.memory.buffer, collector.motion_names(), collector.motion_names_length()))
  .trim()
  .split(" ");

const bits = (number) => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  return view.getBigUint64(0).toString(16);
};

const HANDLERS = {
  m: (time, x, y) => collector.moved(time, x, y),
  d: (time, x, y) => collector.pressed(time, x, y),
  u: (time, x, y) => collector.released(time, x, y),
  c: (time, x, y) => collector.clicked(time, x, y),
  w: () => collector.wheeled(),
  x: (time, x, y) => {
    collector.gap();
    collector.moved(time, x, y);
  },
};

const follow = ({ t, x, y, k, e, inputs, untrusted }, seconds) => {
  collector.begin();
  for (let index = 0; index < e.length; index += 1) {
    const [time, kind] = [t[index], e[index]];
    if (seconds !== null && time > seconds * 1000) break;
    if (untrusted > 0) {
      if (kind === "m") collector.untrusted_move();
      else collector.untrusted();
    } else if (index < k.length) {
      if (kind === "d") collector.key_down(time, k[index]);
      else collector.key_up(time, k[index]);
    } else if (index < x.length && index < y.length) {
      (HANDLERS[kind] ?? (() => collector.gap()))(time, x[index], y[index]);
    }
  }
  for (let index = 0; index < inputs; index += 1) collector.input(index, untrusted === 0 ? 1 : 0);
};

const readFeatures = () => {
  const values = new Float64Array(collector.memory.buffer, collector.motion_values(), names.length);
  return Object.fromEntries(names.map((name, index) => [name, values[index]]).filter(([, value]) => Number.isFinite(value)));
};

const judge = (recording, { seconds, counts }) => {
  const begun = performance.now();
  follow(recording, seconds);
  const features = readFeatures();
  const likelihoods = quivive.scoreMotion({ motion: features, motion_version: collector.motion_version() });
  const milliseconds = performance.now() - begun;
  const entropy = collector.mouse_entropy();
  const payload = { ...counts, ...features, mouse_entropy: Number.isFinite(entropy) ? entropy : null };
  const event = { request_id: "trace", type: "snapshot", received_at: "2026-01-01T00:00:00Z", payload };
  const session = quivive.aggregateSession({ events: [event] });
  const { score, detection_ids } = quivive.scoreSession({ session });
  const likelihood = recording.typing ? likelihoods.keys : likelihoods.pointer;
  return {
    likelihood: typeof likelihood === "number" ? bits(likelihood) : null,
    entropy: Number.isFinite(entropy) ? bits(entropy) : null,
    features: Object.fromEntries(Object.entries(features).map(([name, value]) => [name, bits(value)])),
    score,
    detections: detection_ids,
    milliseconds,
  };
};

for await (const line of createInterface({ input: process.stdin })) {
  const recording = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(recording.wanted.map((wanted) => judge(recording, wanted)))}\n`);
}
