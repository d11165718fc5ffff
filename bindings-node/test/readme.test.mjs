// The programs of the README do what it says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Site } from "./site.mjs";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const [first, second] = [...readme.matchAll(/```js\n([^]*?)```/g)].map(([, program]) => program);

test("first program prints what the README says", async () => {
  const [, promised] = /This prints ([^]*?)\.\n/.exec(readme);
  const expected = [...promised.matchAll(/`([^`]*)`/g)].map(([, line]) => line);
  assert.deepEqual((await outputOf(first)).trim().split("\n"), expected);
});

test("second program fetches a guarded page", async (t) => {
  const site = await Site.start(t);
  assert.equal(await outputOf(second.replace("https://shop.example/agents", `${site.url}/inline`)), "200\n");
});

async function outputOf(program) {
  const file = fileURLToPath(new URL(`./readme-${process.pid}.mjs`, import.meta.url));
  writeFileSync(file, program);
  try {
    return (await promisify(execFile)(process.execPath, [file])).stdout;
  } finally {
    rmSync(file);
  }
}
