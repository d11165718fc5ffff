"use strict";

const { KeyDirectories } = require("./directories.js");
const { invalid } = require("./error.js");
const { Hook } = require("./hook.js");
const { DetectionGuard } = require("./native.js");

const PATIENCE = 1_000;
const MARKS = "x-agentshield-";
const NO_MARK = "x-agentshield-key";
const UNAVAILABLE = {
  status: 503,
  headers: [
    ["Content-Type", "application/json"],
    ["Cache-Control", "no-store"],
  ],
  body: '{"code":"DETECTION_UNAVAILABLE","error":"Who asks cannot be found out at the moment."}',
};

/** The detection guard as the adapters use it; everything that is decided is decided in the core. */
class Guard {
  #native;
  #directories;
  #hooks;
  #failsOpen;
  #waitsForKeys;
  #patience;
  #hasWarned = false;

  constructor(options = {}) {
    const { keyDirectories = false, onDetection, onBlock, onResult, onError, ...given } = options;
    if ("seed" in given) {
      throw invalid("seed is drawn anew by each process");
    }
    this.#hooks = { detection: hook(onDetection), block: hook(onBlock), result: hook(onResult), error: hook(onError) };
    this.#failsOpen = (given.fail_open ?? given.failOpen ?? true) !== false;
    this.#waitsForKeys = given.policy?.require === "signed";
    this.#patience = given.policy?.timeout_ms ?? PATIENCE;
    this.#native = new DetectionGuard(withExpressions(withSecret(given, process.env.AGENTSHIELD_SECRET)));
    if (keyDirectories !== false) {
      this.#directories = new KeyDirectories(this.#native, keyDirectories, (error) => this.fail(error));
    }
    if (this.#native.hasOwnKey) {
      warn("no encryption key for the session cookie: a random one serves until this process ends");
    }
  }

  /** What is to be done with a request, to be asked once for each; a promise where keys have to be waited for. */
  check(request) {
    const keys = this.#wantedKeys(request);
    return keys === undefined ? this.#conclude(request) : keys.then(() => this.#conclude(request));
  }

  /** Tells about a failure. */
  fail(error) {
    if (this.#hooks.error !== undefined) {
      this.#hooks.error.tell(error);
    } else if (!this.#hasWarned) {
      this.#hasWarned = true;
      warn(`detection goes on without what failed; later failures only reach onError: ${error.message}`);
    }
  }

  #wantedKeys(request) {
    if (this.#directories === undefined) {
      return undefined;
    }
    try {
      const fetches = this.#directories.fetch(request);
      return this.#waitsForKeys && fetches.length > 0 ? within(this.#patience, Promise.all(fetches)) : undefined;
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  #conclude(request) {
    let outcome;
    try {
      outcome = this.#native.check(request);
    } catch (error) {
      this.fail(error);
      return this.#withoutOutcome(request);
    }
    this.#tell(outcome);
    const { response, rewrite, set_headers: setHeaders, upstream } = outcome;
    return { outcome, response, rewrite, setHeaders, remove: lowerCase(upstream.remove), set: upstream.set };
  }

  #withoutOutcome({ headers = [] }) {
    const response = this.#failsOpen ? null : UNAVAILABLE;
    const remove = lowerCase(headers.map(([name]) => name).filter(isMark));
    return { outcome: null, response, rewrite: null, setHeaders: [], remove, set: [] };
  }

  #tell(outcome) {
    if (outcome.classification?.is_bot) {
      this.#hooks.detection?.tell(outcome);
    }
    if (!outcome.passes) {
      this.#hooks.block?.tell(outcome);
    }
    this.#hooks.result?.tell(outcome);
  }
}

module.exports = { Guard };

function hook(call) {
  return call === undefined ? undefined : new Hook(call, warn);
}

/** The options with regular expressions in the core's notation: texts that begin with `^`. */
function withExpressions(options) {
  const written = { ...options };
  for (const name of ["skipPaths", "skip_paths", "includePaths", "include_paths"]) {
    if (Array.isArray(written[name])) {
      written[name] = written[name].map((path) => (path instanceof RegExp ? expression(path) : path));
    }
  }
  return written;
}

/** An expression that is looked for anywhere in the path; of the flags, those that change what matches. */
function expression({ source, flags }) {
  return `^(?s:.*)(?${flags.replace(/[^ims]/g, "")}:${source})`;
}

/** The options with the session key of earlier packages, where none is set. */
function withSecret(options, secret) {
  const name = "sessionTracking" in options ? "sessionTracking" : "session_tracking";
  const tracking = options[name] ?? {};
  if (!secret || tracking.encryption_key || tracking.encryptionKey) {
    return options;
  }
  return { ...options, [name]: { ...tracking, encryption_key: secret } };
}

/** Whether only a guard may set this header: what the core says where it could be asked. */
function isMark(name) {
  const spelt = name.toLowerCase().replaceAll("_", "-");
  return spelt.startsWith(MARKS) && spelt !== NO_MARK;
}

function lowerCase(names) {
  return new Set(names.map((name) => name.toLowerCase()));
}

/** Ends with `promise`, or after so many milliseconds. */
function within(milliseconds, promise) {
  let timer;
  const end = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  return Promise.race([promise, end]).finally(() => clearTimeout(timer));
}

function warn(message) {
  process.emitWarning(message, "QuiviveWarning");
}
