/*
 * Asks the collector's probe about environments: one JSON object on each line in, its flags out.
 * Usage: node environment.mjs PROBE_MODULE
 */
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { probe } = await import(pathToFileURL(process.argv[2]).href);

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(probe(JSON.parse(line)))}\n`);
}
