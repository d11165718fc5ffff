export * from "./index.js";

/** Loads the wasm file: from beside the module, or from a URL, response, bytes or compiled module. */
export function initialize(source?: string | URL | Request | Response | BufferSource | WebAssembly.Module): Promise<void>;

/** Starts from bytes or a compiled module without waiting. */
export function initializeSync(module: BufferSource | WebAssembly.Module): void;
