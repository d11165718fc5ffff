// The rule set: prepared once, asked often.

import assert from "node:assert/strict";
import { test } from "node:test";

import { QuiviveError, RuleSet, checkRule } from "quivive";

const guard = { name: "Guard checkout", expression: 'score < 40 AND path == "/checkout"', action: "challenge" };
const note = { name: "Note", expression: "NOT js_detection.passed", action: "log" };

test("matches come in the order of the rules", () => {
  const rules = new RuleSet({ rules: [note, guard] });
  const facts = { score: 12, path: "/checkout", js_detection: { passed: false } };
  assert.deepEqual(rules.matches(facts), [
    { name: "Note", action: "log" },
    { name: "Guard checkout", action: "challenge" },
  ]);
  assert.deepEqual(rules.matches({ score: 12 }), []);
  assert.deepEqual(rules.matches(), []);
});

test("a wrong rule is refused with its place and the place of its fault", () => {
  const wrong = { ...guard, expression: "verified_bot AND scorre < 4" };
  assert.throws(() => new RuleSet({ rules: [note, wrong] }), (error) => {
    assert.ok(error instanceof QuiviveError);
    assert.equal(error.code, "INVALID_INPUT");
    assert.equal(error.message, 'Unknown field "scorre" in rule expression.');
    assert.deepEqual(error.details, { rule: 1, position: 17, token: "scorre", hint: "did you mean score?" });
    return true;
  });
  assert.throws(() => new RuleSet({ rules: Array(101).fill(note) }), { code: "LIMIT_EXCEEDED" });
  assert.throws(() => new RuleSet({ rule: [] }), { code: "INVALID_INPUT" });
  assert.throws(() => new RuleSet({ rules: [] }).matches({ scorre: 1 }), { code: "INVALID_INPUT" });
  assert.throws(() => new RuleSet({ rules: [] }).matches({ ip: "nonsense" }), { code: "INVALID_INPUT" });
});

test("a rule is checked without making a set", () => {
  const checked = checkRule({ expression: "(score<40)AND(NOT verified_bot)" });
  assert.deepEqual(checked, {
    tree: ["AND", ["<", "score", 40], ["NOT", "verified_bot"]],
    normal_form: "score < 40 AND NOT verified_bot",
    fields: ["score", "verified_bot"],
  });
});
