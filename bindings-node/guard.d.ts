import type { GuardOptions, GuardOutcome } from "./operations";

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
  /** Is told of every bot that is detected. */
  onDetection?: (outcome: GuardOutcome) => unknown;
  /** Is told of every request that does not pass. */
  onBlock?: (outcome: GuardOutcome) => unknown;
  /** Is told of every request. */
  onResult?: (outcome: GuardOutcome) => unknown;
  /** Is told when the guard fails or keys cannot be fetched; without it, the first failure is a process warning. */
  onError?: (error: Error) => unknown;
};
