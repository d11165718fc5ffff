import { byId, duration, make, say, tone } from "./dom.js";
import { initialize } from "./native.js";
import { QuiviveError, Verifier, solveChallenge } from "./quivive.js";

let started;
let proof = null;

/** Wires the button that gets a token as an agent would. */
export const offerProof = () => {
  byId("prove").addEventListener("click", prove);
  byId("tamper").addEventListener("click", tamper);
  byId("restore").addEventListener("click", restore);
};

const prove = async () => {
  const button = byId("prove");
  button.disabled = true;
  for (const step of byId("steps").children) mark(step.id);
  result("");
  byId("token-box").hidden = true;
  let step = "step-challenge";
  try {
    mark(step, "busy");
    // The core is loaded before the clock of the challenge starts.
    started ??= initialize();
    await started;
    const question = await call(`/v1/token?ts=${Date.now()}`);
    const { id, problems, timeLimit } = question.challenge;
    mark(step, "done", `${problems.length} numbers, limit ${timeLimit}: ${problems.map(({ num }) => num).join(", ")}`);

    step = "step-solve";
    mark(step, "busy");
    const begin = performance.now();
    const { answers } = solveChallenge({ problems });
    mark(step, "done", `in ${(performance.now() - begin).toFixed(2)} ms: ${answers.join(", ")}`);

    step = "step-token";
    mark(step, "busy");
    const body = JSON.stringify({ id, answers });
    const answer = await call("/v1/token/verify", { method: "POST", headers: { "content-type": "application/json" }, body });
    mark(step, "done", `accepted ${duration(answer.solveTimeMs)} after it was asked`);

    step = "step-verify";
    mark(step, "busy");
    const jwks = await call("/.well-known/jwks");
    const verifier = new Verifier({ keys: jwks, issuer: null });
    proof = { token: answer.access_token, verifier };
    mark(step, "done", `${jwks.keys.length} public ${jwks.keys.length === 1 ? "key" : "keys"}`);
    restore();
    byId("token-box").hidden = false;
  } catch (error) {
    if (!(error instanceof QuiviveError)) started = undefined;
    mark(step, "failed", explain(error));
    result("Not proved. Try again.", "bad");
  }
  button.disabled = false;
  say(button, "Prove it again");
};

const call = async (path, request) => {
  const answer = await fetch(path, request).catch(() => {
    throw new Error("the server does not answer");
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(`${answer.status}: ${body.message ?? body.error ?? answer.statusText}`);
  return body;
};

/** Changes one character in the middle of the claims; the signature no longer fits. */
const tamper = () => {
  const [header, claims] = proof.token.split(".");
  const at = header.length + 1 + Math.floor(claims.length / 2);
  const other = proof.token[at] === "A" ? "B" : "A";
  show(proof.token.slice(0, at) + other + proof.token.slice(at + 1), at);
  byId("tamper").hidden = true;
  byId("restore").hidden = false;
  byId("restore").focus();
};

const restore = () => {
  const hadFocus = document.activeElement === byId("restore");
  show(proof.token, -1);
  byId("tamper").hidden = false;
  byId("restore").hidden = true;
  if (hadFocus) byId("tamper").focus();
};

const show = (token, changed) => {
  drawToken(token, changed);
  byId("token-header").textContent = readable(token.split(".")[0]);
  byId("token-claims").textContent = readable(token.split(".")[1]);
  const begin = performance.now();
  try {
    const claims = proof.verifier.verify(token, Date.now());
    const took = (performance.now() - begin).toFixed(1);
    const ends = new Date(claims.exp * 1000).toLocaleTimeString();
    result(`Verified in this page in ${took} ms: signed by this server, valid until ${ends}.`, "good");
    mark("step-verify", "done", "signature, type and time hold");
  } catch (error) {
    result(`Refused in this page: ${explain(error)}.`, "bad");
    mark("step-verify", "failed", explain(error));
  }
};

const drawToken = (token, changed) => {
  const names = ["header", "claims", "signature"];
  let offset = 0;
  const pieces = token.split(".").flatMap((part, index) => {
    const span = make("span", { class: `part-${names[index]}` });
    const at = changed - offset;
    if (at >= 0 && at < part.length) span.append(part.slice(0, at), make("mark", {}, part[at]), part.slice(at + 1));
    else span.append(part);
    offset += part.length + 1;
    return index === 0 ? [span] : [".", span];
  });
  byId("token").replaceChildren(...pieces);
};

const readable = (part) => {
  try {
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    return JSON.stringify(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)), null, 2);
  } catch {
    return "no longer readable";
  }
};

const explain = (error) => (error instanceof QuiviveError ? `${error.message} (${error.code})` : error.message);

const result = (text, mood) => {
  say(byId("proof-result"), text);
  tone(byId("proof-result"), mood);
};

const mark = (id, state = "", outcome = "") => {
  const step = byId(id);
  step.dataset.state = state;
  say(step.querySelector(".outcome"), outcome);
};
