import type {
  Claims,
  Classification,
  FetchedDirectory,
  GuardEnquiry,
  GuardOptions,
  GuardOutcome,
  GuardRequest,
  KeyLocation,
  RangeTable,
  RequestFacts,
  RuleFacts,
  RuleMatch,
  RuleSetOptions,
  SignatureVerifierOptions,
  SignedRequest,
  VerifiedSignatures,
  VerifierOptions,
} from "./operations";

export * from "./client";
export { ApiError, QuiviveError } from "./error";
export * from "./operations";

/** Verifies tokens with one set of keys, under one policy; both are read once. */
export class Verifier {
  constructor(options: VerifierOptions);
  /** Verifies a token; `now` is in milliseconds since the Unix epoch, by default the present. */
  verify(token: string, now?: number): Claims;
}

/** Classifies requests with the built-in catalogue of agents, which is made ready once. */
export class Classifier {
  constructor();
  /** Classifies one request from its facts. */
  classify(facts: RequestFacts): Classification;
  /** Whether a user agent by itself says bot: a fraction of the time of `classify`. */
  isBot(userAgent: string): boolean;
}

/** Evaluates the rules of a site's owner, which are checked and prepared once. */
export class RuleSet {
  constructor(options: RuleSetOptions);
  /** The rules that match, in order. */
  matches(facts: RuleFacts): RuleMatch[];
}

/** Decides about every request of a site, in this process; options are checked and prepared once. */
export class DetectionGuard {
  /** A `seed` is drawn when none is given. */
  constructor(options?: GuardOptions);
  /** The origins at which catalogued agents publish their keys. */
  readonly signingOrigins: string[];
  /** Whether the cookie's key is a random one of this guard alone. */
  readonly hasOwnKey: boolean;
  /** What is to be done with a request; `now` is the present when it is left out. */
  check(request: Omit<GuardRequest, "now"> & { now?: number }): GuardOutcome;
  /** Takes the keys that an agent publishes. */
  setDirectory(fetched: FetchedDirectory): void;
  /** Takes a policy in AgentShield's notation in the place of the one that counts. */
  setPolicy(policy: object): void;
  /** What a detection service is told that is asked about a request; null where the guard does not look. */
  enquiry(request: Omit<GuardRequest, "now"> & { now?: number }): GuardEnquiry | null;
  /** Takes the address ranges that operators publish. */
  setFeeds(table: RangeTable): void;
  /** Where keys are that a request needs and that are not known. */
  wantedDirectories(request: Omit<GuardRequest, "now"> & { now?: number }): KeyLocation[];
}

/** Verifies message signatures with one set of keys, under one policy; both are read once. */
export class SignatureVerifier {
  constructor(options: SignatureVerifierOptions);
  /** Verifies every signature of a request; `now` is in milliseconds since the Unix epoch, by default the present. */
  verify(request: SignedRequest, now?: number): VerifiedSignatures;
}
