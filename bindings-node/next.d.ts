import type { AdapterOptions } from "./guard";

export type { AdapterOptions } from "./guard";

/**
 * The function that Next.js calls before each request: `export const proxy = detectAgents(options)` in `proxy.ts`, on the
 * runtime `nodejs`, with `serverExternalPackages: ["quivive"]` in the configuration.
 *
 * It detects who asks, acts on it as the options say, and tells the pages by the headers `X-AgentShield-*`, which no
 * client can send itself. Next.js does not show who is connected: without `peer`, addresses are not looked at and no
 * proxy is believed.
 */
export function detectAgents(
  options?: AdapterOptions & {
    /** The address of the connection, or what a proxy tells that nobody can go around. */
    peer?: (request: Request) => string | undefined;
  },
): (request: Request) => Promise<Response>;
