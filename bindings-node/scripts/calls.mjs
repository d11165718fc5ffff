// Writes programs that make the ordinary calls of the shared vectors, for the type checker: `node calls.mjs <file>…`.

import { writeFileSync } from "node:fs";
import { readVectors } from "../../tests/harness/vectors.mjs";

const lines = ['import * as quivive from "quivive";'];
for (const { function: operation, cases } of readVectors()) {
  const call = operation.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
  for (const { flags, input, error } of cases) {
    if (error === undefined && flags.some((flag) => flag === "ordinary" || flag === "published")) {
      lines.push(`quivive.${call}(${JSON.stringify(input)});`);
    }
  }
}
for (const file of process.argv.slice(2)) {
  writeFileSync(file, `${lines.join("\n")}\n`);
}
