import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { readVectors, runVectors } from "../../tests/harness/vectors.mjs";
import { load, packageFolder } from "./installed.mjs";

const FUNCTIONS = ["classify_request"];

const whole = await load();
const detection = await load("quivive-wasm/detect");

runVectors("wasm detection", detection, FUNCTIONS);

/** What a call gives, or the code that it fails with. */
function outcome(call, input) {
  try {
    return call(input);
  } catch (error) {
    assert.ok(error instanceof whole.QuiviveError, error);
    return error.code;
  }
}

test("detection alone answers every vector as the whole package does, member by member", () => {
  const cases = readVectors().filter((file) => FUNCTIONS.includes(file.function));
  assert.ok(cases.length === FUNCTIONS.length);
  for (const { function: name, cases: items } of cases) {
    const operation = name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
    for (const { input, name: title } of items) {
      assert.deepEqual(outcome(detection[operation], input), outcome(whole[operation], input), title);
    }
  }
});

test("it knows every agent of the catalogue", () => {
  const classifier = new detection.Classifier();
  const { agents } = whole.findAgents({});
  assert.ok(agents.length > 500);
  for (const { tokens } of agents.filter(({ tokens }) => tokens.length > 0)) {
    const facts = { user_agent: `Mozilla/5.0 (compatible; ${tokens[0]}/1.0)`, now: 1_771_156_800_000 };
    assert.deepEqual(classifier.classify(facts), whole.classifyRequest(facts), tokens[0]);
    assert.equal(classifier.isBot(facts.user_agent), true, tokens[0]);
  }
});

test("a worker starts it from a compiled module and keeps one classifier", async () => {
  const manual = await load("quivive-wasm/detect/manual");
  manual.initializeSync(new WebAssembly.Module(readFileSync(join(packageFolder, "detect/core_bg.wasm"))));
  const classifier = new manual.Classifier();
  const headers = { "user-agent": "Mozilla/5.0 (compatible; GPTBot/1.2)", accept: "*/*" };
  const found = classifier.classify({ headers, ip: "203.0.113.9", now: Date.now() });
  assert.deepEqual([found.is_bot, found.agent.name, found.verification.status], [true, "GPTBot", "claimed"]);
  assert.throws(() => classifier.classify({ headers: 7 }), { code: "INVALID_INPUT" });
  assert.throws(() => classifier.isBot(7), { code: "INVALID_INPUT" });
});

test("it stays small beside the whole package", () => {
  const size = (name) => statSync(join(packageFolder, name)).size;
  assert.ok(size("detect/core_bg.wasm") * 3 < size("core_bg.wasm"));
});
