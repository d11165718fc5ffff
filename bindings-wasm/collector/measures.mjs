/*
 * The measures of movement, computed in wasm: numbers in, numbers out. Until the file is there, calls wait; where a
 * page's policy or the network refuses it, the measures are absent and nothing else changes.
 */

const CALLS_BEFORE_WASM = 2000;

let measures = null;
let names = [];
let waiting = [];

export const loadMeasures = async (url) => {
  try {
    const answer = await fetch(url, { credentials: "omit" });
    const { instance } = await WebAssembly.instantiate(await answer.arrayBuffer(), {});
    const loaded = instance.exports;
    for (const [name, ...numbers] of waiting) loaded[name](...numbers);
    names = readNames(loaded);
    measures = loaded;
  } catch {
    // Refused by the page's policy or by the network.
  }
  waiting = null;
};

export const doWithoutMeasures = () => {
  waiting = null;
};

export const measure = (name, first, second, third, fourth) => {
  if (measures) measures[name](first, second, third, fourth);
  else if (waiting?.length < CALLS_BEFORE_WASM) waiting.push([name, first, second, third, fourth]);
};

/** One measure within 0 and `most`, or null where it is unknown. */
export const measured = (name, digits, most) => {
  const value = measures ? measures[name]() : NaN;
  return Number.isFinite(value) ? Math.min(most, Math.max(0, Number(value.toFixed(digits)))) : null;
};

/** The features of movement and key timing by their names, with the version of their meaning. */
export const motion = () => {
  if (names.length === 0) return {};
  const values = new Float64Array(measures.memory.buffer, measures.motion_values(), names.length);
  const known = names.map((name, index) => [name, values[index]]).filter(([, value]) => Number.isFinite(value));
  return { ...Object.fromEntries(known), motion_version: measures.motion_version() };
};

const readNames = ({ memory, motion_names, motion_names_length }) => {
  const text = new TextDecoder().decode(new Uint8Array(memory.buffer, motion_names(), motion_names_length()));
  return text.trim().split(" ");
};
