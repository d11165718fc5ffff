import type {
  Claims,
  Classification,
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
}

/** Evaluates the rules of a site's owner, which are checked and prepared once. */
export class RuleSet {
  constructor(options: RuleSetOptions);
  /** The rules that match, in order. */
  matches(facts: RuleFacts): RuleMatch[];
}

/** Verifies message signatures with one set of keys, under one policy; both are read once. */
export class SignatureVerifier {
  constructor(options: SignatureVerifierOptions);
  /** Verifies every signature of a request; `now` is in milliseconds since the Unix epoch, by default the present. */
  verify(request: SignedRequest, now?: number): VerifiedSignatures;
}
