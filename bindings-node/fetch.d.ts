import type { AdapterOptions } from "./guard";
import type { GuardOutcome } from "./operations";

export type { AdapterOptions } from "./guard";

/**
 * Puts the guard in front of a handler that takes a `Request` and gives a `Response`.
 *
 * It detects who asks, acts on it as the options say, and tells the handler: by the headers `X-AgentShield-*`, which no
 * client can send itself, and by {@link outcomeOf}. A `Request` does not show who is connected: without `peer`, addresses
 * are not looked at and no proxy is believed.
 */
export function detectAgents<More extends unknown[]>(
  handler: (request: Request, ...more: More) => Response | Promise<Response>,
  options?: AdapterOptions & {
    /** The address of the connection. */
    peer?: (request: Request, ...more: More) => string | undefined;
  },
): (request: Request, ...more: More) => Promise<Response>;

/** What was found out about a request that the handler got; null for any other, and where the guard failed. */
export function outcomeOf(request: Request): GuardOutcome | null;
