// Writes programs that call every function once, with the first vector that succeeds, for the type checker:
// `node calls.mjs <file>…`.

import { writeFileSync } from "node:fs";
import { readVectors } from "../../tests/harness/vectors.mjs";

const lines = ['import * as quivive from "quivive";'];
for (const { function: operation, cases } of readVectors()) {
  const call = operation.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  const { input } = cases.find(({ error }) => error === undefined);
  lines.push(`quivive.${call}(${JSON.stringify(input)});`);
}
for (const file of process.argv.slice(2)) {
  writeFileSync(file, `${lines.join("\n")}\n`);
}
