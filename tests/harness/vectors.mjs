// Runs the shared vectors through a package; no function is known here by name. Node and wasm share it.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const VECTORS = process.env.QUIVIVE_VECTORS ?? join(dirname(fileURLToPath(import.meta.url)), "../vectors");

/**
 * Registers one test per case.
 *
 * `name` is the package's name in the report, `api` its exports: functions that take one object, under their
 * JavaScript names. The functions of the vectors and those of `api` must be the same; where `api` is a part of the
 * package, `functions` names what it has.
 */
export function runVectors(name, api, functions = undefined) {
  const files = readVectors().filter((file) => functions?.includes(file.function) ?? true);
  for (const { function: operation, cases } of files) {
    const call = api[camelCase(operation)];
    for (const item of cases) {
      test(`${name} ${operation}: ${item.name}`, () => {
        assert.equal(typeof call, "function", `${camelCase(operation)} is not exported`);
        runCase(call, item);
      });
    }
  }
  test(`${name}: every exported operation has vectors`, () => {
    const exported = Object.keys(api).filter((key) => isOperation(key, api[key]));
    assert.ok(exported.length > 0);
    assert.deepEqual(exported.sort(), files.map((file) => camelCase(file.function)).sort());
  });
}

/** All vector files, in the order of their paths. */
export function readVectors() {
  return readdirSync(VECTORS, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".json"))
    .sort()
    .map((path) => JSON.parse(readFileSync(join(VECTORS, path), "utf8")))
    .filter((file) => typeof file.function === "string");
}

function runCase(call, { input, output, output_matches: subset, error }) {
  if (error !== undefined) {
    assert.throws(() => call(input), (thrown) => {
      assert.equal(thrown.code, error, thrown.message);
      return true;
    });
  } else {
    const isSubset = subset !== undefined;
    assertMatches(call(input), isSubset ? subset : output, "output", isSubset);
  }
}

/** Deep equality, with 1e-9 for numbers that are not integers; a subset may leave members out. */
function assertMatches(actual, expected, path, isSubset) {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual) && actual.length === expected.length, `${path}: length`);
    expected.forEach((value, index) => assertMatches(actual[index], value, `${path}[${index}]`, isSubset));
  } else if (expected !== null && typeof expected === "object") {
    assert.ok(actual !== null && typeof actual === "object" && !Array.isArray(actual), `${path}: not an object`);
    const names = isSubset ? Object.keys(expected) : [...new Set([...Object.keys(expected), ...Object.keys(actual)])];
    for (const member of names) {
      assert.ok(Object.hasOwn(actual, member), `${path}.${member} is missing`);
      assert.ok(Object.hasOwn(expected, member), `${path}.${member} is not expected`);
      assertMatches(actual[member], expected[member], `${path}.${member}`, isSubset);
    }
  } else if (typeof expected === "number" && typeof actual === "number") {
    const near = Number.isInteger(expected) && Number.isInteger(actual) ? 0 : 1e-9;
    assert.ok(Math.abs(actual - expected) <= near, `${path}: ${actual} is not ${expected}`);
  } else {
    assert.equal(actual, expected, path);
  }
}

function isOperation(key, value) {
  return typeof value === "function" && /^[a-z]/.test(key);
}

function camelCase(name) {
  return name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}
