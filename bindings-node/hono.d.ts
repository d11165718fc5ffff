import type { Context, Hono, MiddlewareHandler } from "hono";

import type { AdapterOptions } from "./guard";
import type { GuardOutcome } from "./operations";

export type { AdapterOptions } from "./guard";

/**
 * Middleware for Hono: `app.use(detectAgents(options))`.
 *
 * It detects who asks, acts on it as the options say, and tells the site: by the headers `X-AgentShield-*`, which no
 * client can send itself, and by `c.get("quivive")`. With `@hono/node-server` the client's address is the connection's
 * unless `clientIp` names the proxies in front; elsewhere `peer` has to tell it.
 */
export function detectAgents(
  options?: AdapterOptions & {
    /** The address of the connection, on runtimes other than Node. */
    peer?: (context: Context) => string | undefined;
    /** The application, which is needed where requests are rewritten. */
    app?: Hono<any, any, any>;
  },
): MiddlewareHandler;

declare module "hono" {
  interface ContextVariableMap {
    /** What was found out about the request; null where the guard failed. */
    quivive: GuardOutcome | null;
  }
}
