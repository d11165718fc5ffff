"use strict";

const { KeyDirectories } = require("./directories.js");
const { invalid } = require("./error.js");
const { Hook } = require("./hook.js");
const { DetectionGuard } = require("./native.js");
const { PolicySource, Service, policyPlan } = require("./service.js");

const PATIENCE = 1_000;
const MODES = ["local", "remote", "hybrid"];
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
  #mode;
  #service;
  #policies;
  #hooks;
  #open;
  #own;
  #failsOpen;
  #waitsForKeys;
  #patience;
  #hasWarned = false;

  constructor(options = {}) {
    const { keyDirectories = false, onDetection, onBlock, onResult, onError, ...others } = options;
    const { mode = "local", apiUrl, apiKey, projectId, timeout, fetchPolicy = false, fallbackPolicy, ...given } = others;
    if ("seed" in given) {
      throw invalid("seed is drawn anew by each process");
    }
    if (!MODES.includes(mode)) {
      throw invalid("mode is local, remote or hybrid");
    }
    const plan = fetchPolicy === false ? undefined : policyPlan(fetchPolicy, { projectId });
    if (fallbackPolicy !== undefined) {
      if (plan === undefined) {
        throw invalid("fallbackPolicy needs fetchPolicy");
      }
      given.policy = fallbackPolicy;
    }
    this.#hooks = { detection: hook(onDetection), block: hook(onBlock), result: hook(onResult), error: hook(onError) };
    this.#open = given.fail_open ?? given.failOpen;
    this.#own = given.policy;
    this.#heedOwn();
    this.#native = new DetectionGuard(withExpressions(withSecret(given, process.env.AGENTSHIELD_SECRET)));
    if (keyDirectories !== false) {
      this.#directories = new KeyDirectories(this.#native, keyDirectories, (error) => this.fail(error));
    }
    this.#mode = mode;
    if (mode !== "local" || plan !== undefined) {
      this.#service = new Service({ apiUrl, apiKey, projectId, timeout }, (error) => this.fail(error));
    }
    if (plan !== undefined) {
      const take = (policy) => this.#takePolicy(policy);
      this.#policies = new PolicySource(this.#service, plan, take, (error) => this.fail(error));
      this.#policies.renew();
    }
    if (this.#native.hasOwnKey) {
      warn("no encryption key for the session cookie: a random one serves until this process ends");
    }
  }

  /** What is to be done with a request, to be asked once for each; a promise where something has to be waited for. */
  check(request) {
    this.#policies?.renew();
    const keys = this.#wantedKeys(request);
    const told = this.#mode === "remote" ? this.#ask(request) : undefined;
    if (keys === undefined && told === undefined) {
      return this.#conclude(request);
    }
    return Promise.all([told, keys]).then(([detection]) => this.#conclude({ ...request, ...detection }));
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

  /** What the service says about a request, as a part of it; nothing where the guard does not look. */
  #ask(request) {
    const enquiry = this.#enquiry(request);
    const asked = enquiry && this.#service.ask(enquiry);
    return asked?.then(
      (detection) => ({ detection }),
      (error) => {
        this.fail(error);
        return { unavailable: true };
      },
    );
  }

  #enquiry(request) {
    try {
      return this.#native.enquiry(request) ?? undefined;
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  #takePolicy(policy) {
    this.#native.setPolicy(policy);
    if (policy.updatedAt === null) {
      // The project has no policy: the guard's own counts.
      this.#heedOwn();
      return;
    }
    this.#heed(policy.require, policy.timeoutMs, policy.failOpen);
    this.#failsOpen ||= policy.blockingEnabled === false;
  }

  #heedOwn() {
    this.#heed(this.#own?.require, this.#own?.timeout_ms, this.#own?.fail_open);
  }

  /** Notes what a policy says about waiting for keys, and about failures of the guard itself. */
  #heed(require, timeout, failOpen) {
    this.#waitsForKeys = require === "signed";
    this.#patience = timeout ?? PATIENCE;
    this.#failsOpen = failOpen ?? this.#open ?? (require !== "agent" && require !== "signed");
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
      outcome = this.#checked(request);
    } catch (error) {
      this.fail(error);
      return this.#withoutOutcome(request);
    }
    this.#tell(outcome);
    if (this.#mode === "hybrid" && outcome.classification !== null) {
      const enquiry = this.#enquiry(request);
      if (enquiry !== undefined) {
        this.#service.report(enquiry);
      }
    }
    const { response, rewrite, set_headers: setHeaders, upstream } = outcome;
    return { outcome, response, rewrite, setHeaders, remove: lowerCase(upstream.remove), set: upstream.set };
  }

  #checked(request) {
    try {
      return this.#native.check(request);
    } catch (error) {
      const { detection, ...rest } = request;
      if (detection === undefined) {
        throw error;
      }
      // The service said what cannot be: as if it had said nothing.
      this.fail(error);
      return this.#native.check({ ...rest, unavailable: true });
    }
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
