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
import { AgentShield, type Analytics, type BatchAnswer } from "quivive/compat/agentshield";

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

export { analytics, batch, claims, classification, codeOf, detection, later, proof, response, seen, sent, verdict };
