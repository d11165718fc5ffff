import * as quivive from "quivive";
import { runVectors } from "../../tests/harness/vectors.mjs";

runVectors("node", quivive);
