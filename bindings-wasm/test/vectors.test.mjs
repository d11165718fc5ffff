import { runVectors } from "../../tests/harness/vectors.mjs";
import { load } from "./installed.mjs";

runVectors("wasm", await load());
