import type { IncomingMessage, ServerResponse } from "node:http";

import type { AdapterOptions } from "./guard";
import type { GuardOutcome } from "./operations";

export type { AdapterOptions } from "./guard";

/**
 * Middleware for Express, Connect and whatever else takes `(request, response, next)`; put it first.
 *
 * It detects who asks, acts on it as the options say, and tells the site: by the headers `X-AgentShield-*`, which no
 * client can send itself, and by `request.quivive`. The client's address is the connection's unless `clientIp` names the
 * proxies in front.
 */
export function detectAgents(
  options?: AdapterOptions,
): (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

declare module "http" {
  interface IncomingMessage {
    /** What was found out about the request; null where the guard failed. */
    quivive?: GuardOutcome | null;
  }
}
