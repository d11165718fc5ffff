// Classification of user agents: Quivive's handle beside isbot, in turns, in one process. Prints one JSON line:
// microseconds per user agent.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { isbot } from "isbot";

const require = createRequire(import.meta.url);
const { Classifier } = require(process.env.QUIVIVE_PACKAGE ?? "quivive");

const ROUNDS = 15;
const PASSES = 50;

const texts = readFileSync(process.argv[2], "utf8").trim().split("\n");
const classifier = new Classifier();
const now = Date.now();
const contenders = {
  quivive: (text) => classifier.isBot(text),
  "quivive, everything": (text) => classifier.classify({ user_agent: text, now }).is_bot,
  isbot: (text) => isbot(text),
};
const best = Object.fromEntries(Object.keys(contenders).map((name) => [name, Infinity]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, call] of Object.entries(contenders)) {
    const begun = performance.now();
    for (let pass = 0; pass < PASSES; pass += 1) {
      for (const text of texts) call(text);
    }
    best[name] = Math.min(best[name], ((performance.now() - begun) / (PASSES * texts.length)) * 1000);
  }
}
console.log(JSON.stringify(best));
