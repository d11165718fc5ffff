// The classifier: made ready once, asked often.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Classifier, classifyRequest } from "quivive";
import { readVectors } from "../../tests/harness/vectors.mjs";

const inputs = readVectors()
  .filter((file) => file.function === "classify_request")
  .flatMap(({ cases }) => cases.filter(({ error }) => error === undefined))
  .map(({ input }) => input);

test("it answers as the function does", () => {
  const classifier = new Classifier();
  for (const input of inputs) {
    assert.deepEqual(classifier.classify(input), classifyRequest(input));
  }
});

test("the short question has the answer of the whole classification", () => {
  const classifier = new Classifier();
  const texts = inputs.map(({ user_agent: text }) => text).filter((text) => text !== undefined);
  const answers = new Set();
  for (const text of [...texts, "", "\0", "é"]) {
    const isBot = classifier.isBot(text);
    assert.equal(isBot, classifier.classify({ user_agent: text, now: 0 }).is_bot);
    answers.add(isBot);
  }
  assert.equal(answers.size, 2);
});

test("a user agent is a text", () => {
  assert.throws(() => new Classifier().isBot(7), { code: "INVALID_INPUT" });
  assert.throws(() => new Classifier().isBot(), { code: "INVALID_INPUT" });
});
