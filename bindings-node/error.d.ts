import type { ErrorCode } from "./operations";

/** What every failure is. */
export class QuiviveError extends Error {
  constructor(
    name: QuiviveError["name"],
    code: QuiviveError["code"],
    message: string,
    details?: Record<string, unknown>,
    options?: ErrorOptions,
  );
  /** The class of the failure. */
  readonly name:
    | "InvalidInput"
    | "VerificationFailed"
    | "Expired"
    | "Denied"
    | "Unsupported"
    | "ApiError"
    | "ConnectionFailed";
  /** Stable, the same string in every language; those of an `ApiError` come from the service. */
  readonly code: ErrorCode | "CONNECTION_FAILED" | (string & {});
  /** Machine-readable additions. */
  readonly details: Record<string, unknown>;
}

/** The service answered with an error. */
export class ApiError extends QuiviveError {
  constructor(status: number, code: string, body: unknown);
  readonly name: "ApiError";
  /** The HTTP status. */
  readonly status: number;
  /** The JSON of the answer; `null` when it is something else. */
  readonly body: unknown;
}
