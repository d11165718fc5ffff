import type { NaturalQuestion } from "./operations";

/** Options of a {@link Client}. */
export interface ClientOptions {
  /**
   * The service that issues tokens; by default the environment variable `QUIVIVE_URL`. Without one, challenges
   * inside refusals are still solved.
   */
  url?: string;
  /** The app whose tokens are asked for. */
  appId?: string;
  /** The audience for which tokens are asked, usually the guarded site's origin. */
  audience?: string;
  /** The private key (`sk_…`) with which a site reads verdicts. */
  privateKey?: string;
  /** The API key (`as_live_…`) with which a site asks for detections. */
  apiKey?: string;
  /**
   * The only origins, besides the service's own, that are shown a token. Without this option, those that ask for
   * one are shown it. A token never travels in clear text over a network.
   */
  tokenOrigins?: Iterable<string>;
  /** The `User-Agent` of every request. */
  userAgent?: string;
  /** Milliseconds to wait for an answer; by default 30000. */
  timeout?: number;
}

/** What the owner's rules may look at beside the session; an absent member is not told. */
export interface VerdictContext {
  /** The route template or path, for example `/orders/{order}`. */
  path?: string;
  /** The visitor's address. */
  ip?: string;
  /** The visitor's country, ISO 3166-1 alpha-2. */
  country?: string;
  /** The visitor's user agent. */
  userAgent?: string;
  /** Whether the visitor is logged in. */
  loggedIn?: boolean;
}

/** What to do with a session's request; act on `action` only. */
export interface SessionVerdict {
  verdict: "not_computed" | "definite" | "confident_automated" | "likely_automated" | "likely_human" | "verified";
  score: number;
  action: "allow" | "challenge" | "block" | "log" | "delay";
  detection_ids: number[];
  reason: string;
  /** True when this is no answer of the service, but what stands in for one after a fault. */
  unavailable?: boolean;
}

/** The facts of one request; give at least one of `userAgent`, `headers` and `ip`. */
export interface Visit {
  userAgent?: string;
  ip?: string;
  headers?: Record<string, string>;
  url?: string;
  method?: string;
}

/** What a request was classified as. */
export interface Detection {
  isBot: boolean;
  /** The likelihood of automation, 0 to 1. */
  confidence: number;
  botType: string;
  details: { userAgentBot: boolean; behavioralBot: boolean; ipBot: boolean };
  metadata: { engine: string; processingTime: number };
}

/** Fetches pages, and meets what their guards ask for. */
export class Client {
  constructor(options?: ClientOptions);

  /**
   * Sends a request as the built-in `fetch` does; when a guard asks for it, shows a token or solves its challenge,
   * and sends the request once more. The response is the last one that came, whatever its status, and unread. A
   * request whose body is a stream is sent once only.
   *
   * @throws QuiviveError with code `CONNECTION_FAILED` when there is no answer.
   */
  fetch(url: string | URL | Request, init?: RequestInit): Promise<Response>;

  /** The BOTCHA-compatible calls: tokens of this agent. */
  readonly botcha: {
    /** The held token; when there is none or it is near its end, a new one. */
    token(): Promise<string>;
    /**
     * Gets a new token by the hybrid challenge: the client solves the speed part, `answer` the questions. It is called
     * with all three at once and gives bare answers: a number in digits, a name or a word. They are due half a minute
     * after the challenge was posed; late or wrong ones reject with an {@link ApiError} of the code
     * `CHALLENGE_FAILED`. The token is kept as one of `token` is.
     */
    prove(answer: (question: NaturalQuestion) => string | Promise<string>): Promise<string>;
  };

  /** The Botect-compatible calls of a site's back end; they need the option `privateKey`. */
  readonly botect: {
    /**
     * A session's verdict; a fault of the service gives one that allows and says `unavailable`. One try, 1 s in all,
     * so that no visitor waits for a broken service. A session token that cannot be one is not sent, and a verdict
     * without evidence allows.
     */
    verdict(session: string, context?: VerdictContext): Promise<SessionVerdict>;
  };

  /** The AgentShield-compatible calls; they need the option `apiKey`. */
  readonly agentshield: {
    /** What the facts of one request look like; one try, 250 ms in all. */
    detect(visit: Visit): Promise<Detection>;
  };
}
