// Uses of everything but the operations, for the type checker; the calls of the vectors use those.

import {
  ApiError,
  Classifier,
  Client,
  QuiviveError,
  RuleSet,
  Verifier,
  type Claims,
  type Classification,
  type ClientOptions,
  type Detection,
  type ErrorCode,
  type RuleMatch,
  type SessionVerdict,
} from "quivive";
import { createServer } from "node:http";
import { fastify } from "fastify";
import { Hono } from "hono";
import { AgentShield, type Analytics, type BatchAnswer } from "quivive/compat/agentshield";
import * as guardedExpress from "quivive/express";
import * as guardedFastify from "quivive/fastify";
import * as guardedFetch from "quivive/fetch";
import * as guardedHono from "quivive/hono";
import * as guardedNext from "quivive/next";

const options: ClientOptions = { url: "https://door.example", tokenOrigins: new Set(["https://shop.example"]) };
const client = new Client(options);
const response: Response = await client.fetch(new URL("https://shop.example"), { method: "POST", body: "order" });
const token: string = await client.botcha.token();
const proof: string = await client.botcha.prove(async ({ id, question, category }) => `${id}${question}${category}`);
const verdict: SessionVerdict = await client.botect.verdict("sess_1", { path: "/", loggedIn: false });
const detection: Detection = await client.agentshield.detect({ userAgent: "GPTBot" });

const shield = new AgentShield({ apiKey: "as_test_key", cacheTtl: 0, onError: ({ message }) => message });
const seen: Detection = await shield.detect({ userAgent: "GPTBot" });
const sent: { eventId: string } = await shield.event({ event: "click", url: "https://shop.example" }, { wait: true });
const batch: BatchAnswer = await shield.batch([{ event: "click", url: "https://shop.example" }]);
const analytics: Analytics = await shield.projects.analytics("proj_1", { period: "day", metrics: ["summary"] });

const verifier = new Verifier({ keys: { keys: [] }, audience: "shop", issuer: null });
const claims: Claims = verifier.verify(token);
const later: Claims = verifier.verify(token, Date.now());
const classification: Classification = new Classifier().classify({ user_agent: "GPTBot", now: Date.now() });
const rules = new RuleSet({ rules: [{ name: "Guard", expression: "score < 40", action: "challenge" }] });
const matches: RuleMatch[] = rules.matches({ score: 12, path: null, behavioral: { mouse_entropy: 0.1 } });

const guardOptions: guardedExpress.AdapterOptions = {
  onAgentDetected: "block",
  confidence_threshold: 0.9,
  skipPaths: ["/health", /\.css$/],
  sessionTracking: { enabled: true, cookieName: "seen", encryption_key: "0123456789abcdef" },
  clientIp: { trustedProxies: ["10.0.0.0/8"] },
  policy: { require: "signed" },
  keyDirectories: ["https://agent.example"],
  mode: "hybrid",
  apiUrl: "https://quivive.example",
  fetchPolicy: { projectId: "proj_1", cacheTtlSeconds: 60 },
  fallbackPolicy: { fail_open: false },
  timeout: 100,
  onBlock: ({ client_ip, decision }) => `${client_ip} ${decision.action}`,
  onError: ({ message }) => message,
};
const middleware = guardedExpress.detectAgents(guardOptions);
createServer((request, response) =>
  middleware(request, response, () => response.end(request.quivive?.classification?.bot_type ?? "")),
);
const shop = fastify();
shop.register(guardedFastify.detectAgents, { onAgentDetected: "challenge" });
shop.get("/", async (request) => request.quivive?.detection_id);
const door = new Hono();
door.use(guardedHono.detectAgents({ ...guardOptions, app: door, peer: (context) => context.req.header("x-real-ip") }));
door.get("/", (context) => context.json(context.get("quivive")?.classification));
const handler = guardedFetch.detectAgents((request: Request, key: string) => new Response(key + request.url), {
  peer: (_, key) => key,
});
const answered: Promise<Response> = handler(new Request("https://shop.example"), "key");
const proxy: (request: Request) => Promise<Response> = guardedNext.detectAgents(guardOptions);

// @ts-expect-error a misspelt option
guardedExpress.detectAgents({ onAgentDetectd: "block" });
// @ts-expect-error an action that does not exist
guardedNext.detectAgents({ onAgentDetected: "refuse" });
// @ts-expect-error a seed is never given
guardedHono.detectAgents({ seed: "00" });
// @ts-expect-error a misspelt option
new Client({ ulr: "https://door.example" });
// @ts-expect-error a misspelt option
new Verifier({ audiance: "shop" });
// @ts-expect-error an action that does not exist
new RuleSet({ rules: [{ name: "Guard", expression: "score < 40", action: "refuse" }] });
// @ts-expect-error a misspelt fact
rules.matches({ scorre: 12 });
// @ts-expect-error a token is a text
verifier.verify(7);

function codeOf(error: unknown): ErrorCode | string {
  if (error instanceof ApiError) {
    const status: number = error.status;
    return `${error.name} ${status}`;
  }
  return error instanceof QuiviveError ? error.code : "unknown";
}

export { analytics, answered, batch, claims, classification, codeOf, detection, later, proof, proxy, response, seen, sent, verdict };
