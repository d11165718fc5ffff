import type { FastifyInstance } from "fastify";

import type { AdapterOptions } from "./guard";
import type { GuardOutcome } from "./operations";

export type { AdapterOptions } from "./guard";

/**
 * A plugin for Fastify, for all routes of the instance: `app.register(detectAgents, options)`.
 *
 * It detects who asks, acts on it as the options say, and tells the site: by the headers `X-AgentShield-*`, which no
 * client can send itself, and by `request.quivive`. The client's address is the connection's unless `clientIp` names the
 * proxies in front.
 */
export function detectAgents(fastify: FastifyInstance, options: AdapterOptions): Promise<void>;

declare module "fastify" {
  interface FastifyRequest {
    /** What was found out about the request; null where the guard failed. */
    quivive: GuardOutcome | null;
  }
}
