// The package as a user has it: packed, and installed into a clean folder.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.env.QUIVIVE_WASM_INSTALLED;
if (!folder) throw new Error("QUIVIVE_WASM_INSTALLED must name a folder in which quivive-wasm is installed");

const { resolve } = createRequire(join(folder, "package.json"));

/** The folder of the installed package. */
export const packageFolder = dirname(resolve("quivive-wasm/package.json"));

/** Imports the package, or one of its entries, by its name. */
export const load = (name = "quivive-wasm") => import(pathToFileURL(resolve(name)).href);
