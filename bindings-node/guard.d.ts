import type { GuardOptions, GuardOutcome, Policy } from "./operations";

/** A name in camel case. */
type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;

/** The same members, under their names in snake case or in camel case. */
type Spelt<Options> = Options & { [Name in keyof Options as Camel<Name & string>]?: Options[Name] };

/** Options of the guard itself. */
type OwnOptions = Omit<
  GuardOptions,
  "seed" | "session_tracking" | "client_ip" | "blocked_response" | "skip_paths" | "include_paths"
> & {
  /**
   * Paths where nothing is looked at: patterns, in which `*` stands for any run without `/` and `**` for any run, or
   * regular expressions, without look-around and back references.
   */
  skip_paths?: readonly (string | RegExp)[];
  /** Paths, as `skip_paths`, that alone are looked at; everything when empty. */
  include_paths?: readonly (string | RegExp)[];
  session_tracking?: Spelt<NonNullable<GuardOptions["session_tracking"]>>;
  client_ip?: Spelt<NonNullable<GuardOptions["client_ip"]>>;
  blocked_response?: Spelt<NonNullable<GuardOptions["blocked_response"]>>;
};

/**
 * All options of an adapter.
 *
 * Hooks are called after the request, in order; when 1,000 calls of one are waiting, further ones are dropped.
 */
export type AdapterOptions = Spelt<OwnOptions> & {
  /** Whether keys of signing agents are fetched: of the catalogued ones, and of further origins that are listed. */
  keyDirectories?: boolean | readonly string[];
  /**
   * `local`, the default: nothing leaves the process. `remote`: each request waits for what the service says about it,
   * and where it does not answer, the policy's `fail_open` decides. `hybrid`: the decision is made here, and the service
   * is told afterwards; what finds no room among 1,000 reports is dropped.
   */
  mode?: "local" | "remote" | "hybrid";
  /** The service's key; by default `AGENTSHIELD_API_KEY`, else `CHECKPOINT_API_KEY`, from the environment. */
  apiKey?: string;
  /** The service's address; by default `QUIVIVE_URL` from the environment. */
  apiUrl?: string;
  /** The project at the service; by default `CHECKPOINT_PROJECT_ID` from the environment. */
  projectId?: string;
  /** For how many milliseconds a request waits for the service, 250 unless said otherwise. */
  timeout?: number;
  /**
   * Whether the policy of the project counts, which is fetched from the service and renewed, every 300 seconds unless
   * said otherwise, off the request; one that cannot be renewed goes on counting.
   */
  fetchPolicy?: boolean | { projectId?: string; cacheTtlSeconds?: number };
  /** The policy that counts until one is fetched; by default `policy`. Only with `fetchPolicy`. */
  fallbackPolicy?: Policy;
  /** Is told of every bot that is detected. */
  onDetection?: (outcome: GuardOutcome) => unknown;
  /** Is told of every request that does not pass. */
  onBlock?: (outcome: GuardOutcome) => unknown;
  /** Is told of every request. */
  onResult?: (outcome: GuardOutcome) => unknown;
  /** Is told when the guard fails, and when keys, a policy or the service cannot be had; without it, the first failure is a process warning. */
  onError?: (error: Error) => unknown;
};
