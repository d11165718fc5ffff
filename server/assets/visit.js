import { byId, duration, evidenceList, make, say, tone } from "./dom.js";

const BANDS = {
  definite: ["Definitely a bot", "bad"],
  likely_automated: ["Likely automated", "bad"],
  likely_human: ["Likely human", "good"],
  not_computed: ["Not computed yet", undefined],
  verified: ["Verified bot", "good"],
};

const SIGNALS = [
  ["mouse_moves", "Mouse moves", (value) => value],
  ["mouse_entropy", "Naturalness of the path", (value) => value.toFixed(2)],
  ["scroll_events", "Scroll steps", (value) => value],
  ["scroll_velocity", "Scroll speed", (value) => `${Math.round(value)} px/s`],
  ["scroll_max_depth_pct", "Deepest point", (value) => `${value} %`],
  ["click_events", "Clicks and taps", (value) => value],
  ["key_events", "Keys", (value) => value],
  ["time_to_first_input_ms", "First input after", duration],
  ["first_input_delay_ms", "Input delay", duration],
  ["visibility_changes", "Tab switches", (value) => value],
  ["visible_ms", "In view", duration],
];

/** What the script probe looks at: how it reads when all is well, when it is not, and how much that says. */
const CHECKS = [
  ["webdriver", "Not remote-controlled", "Remote control reported", "bad"],
  ["headless", "Has a window", "No browser window", "bad"],
  ["headless_ua", "Ordinary user agent", "Headless user agent", "bad"],
  ["zero_viewport", "Viewport has a size", "Viewport without size", "bad"],
  ["missing_plugins", "Plugins as usual", "No plugins", "warn"],
  ["navigator_anomaly", "Language and platform fit", "Unusual language or platform", "warn"],
];

const INTERVAL_MS = 1000;
const LONGEST_INTERVAL_MS = 15000;

/** Asks the demo endpoint about the session that the page's collector opened and shows the answer. */
export const watchVisit = async () => {
  const card = byId("visit");
  if (card.dataset.live !== "true") return explainAbsence(card);
  drawSignals({});
  drawChecks(null);
  const collector = await import("/v1/sdk.mjs").catch(() => null);
  if (!collector) return state("lost", "The collector could not be loaded");
  state("waiting", "Listening");
  let interval = INTERVAL_MS;
  const turn = async () => {
    if (document.visibilityState === "visible") {
      collector.flush();
      const seen = await ask(collector.currentSession());
      interval = seen ? INTERVAL_MS : Math.min(interval * 2, LONGEST_INTERVAL_MS);
    }
    setTimeout(turn, interval);
  };
  setTimeout(turn, INTERVAL_MS);
};

const explainAbsence = (card) => {
  state("waiting", "Not scored");
  const text =
    "This server runs without the demo project, so nothing on this page is collected or scored. " +
    "Start it with plain “cargo run” (or “quivive” without arguments) to see your own visit here.";
  card.querySelector(".card-head").after(make("p", { class: "note" }, text));
  say(byId("reason"), "No collector on this page.");
  for (const part of card.querySelectorAll(".columns, .type-here, .columns ~ h3, .evidence, .scale, .fine")) part.hidden = true;
};

const ask = async (session) => {
  if (!session) return true;
  try {
    const answer = await fetch(`/-/demo/session/${encodeURIComponent(session)}`, { headers: { accept: "application/json" } });
    if (answer.status >= 500) throw new Error("server fault");
    if (answer.status !== 200) {
      state("waiting", "Waiting for the first score");
      return true;
    }
    draw(session, await answer.json());
    state("live", "Live");
    return true;
  } catch {
    state("lost", "The server does not answer; trying again");
    return false;
  }
};

const state = (name, text) => {
  const pulse = byId("visit-state");
  pulse.dataset.state = name;
  say(pulse, text);
};

const draw = (session, { verdict, threshold, signals, probe, evidence }) => {
  const [label, mood] = BANDS[verdict.verdict] ?? [verdict.verdict, undefined];
  const hasScore = verdict.score > 0;
  say(byId("score"), hasScore ? String(verdict.score) : "–");
  say(byId("band"), label);
  tone(byId("band"), mood);
  tone(byId("score"), mood);
  say(byId("action"), `action: ${verdict.action}`);
  say(byId("reason"), verdict.reason);
  say(byId("session"), session);
  drawScale(verdict, label, threshold);
  drawSignals(signals);
  drawChecks(probe);
  drawReasons(evidence);
  fillCommands(session);
};

const drawScale = ({ score }, label, threshold) => {
  const place = (value) => `${((value - 1) / 98) * 100}%`;
  byId("threshold").style.left = place(threshold);
  byId("threshold-label").style.left = place(Math.min(85, Math.max(15, threshold)));
  say(byId("threshold-label"), `threshold ${threshold}`);
  const needle = byId("needle");
  if (score > 0) delete needle.dataset.idle;
  else needle.dataset.idle = "";
  needle.style.left = place(Math.max(1, score));
  const scale = byId("scale");
  scale.setAttribute("aria-valuenow", score);
  scale.setAttribute("aria-valuetext", score > 0 ? `${score} of 99, ${label}` : "not computed yet");
};

const drawSignals = (signals) => {
  const rows = SIGNALS.map(([key, label, format]) => {
    const value = signals[key];
    const text = value === null || value === undefined ? "–" : String(format(value));
    return make("div", {}, make("dt", {}, label), make("dd", {}, text));
  });
  byId("signals").replaceChildren(...rows);
};

const drawChecks = (probe) => {
  const rows = CHECKS.map(([key, well, found, mood]) => {
    if (!probe || probe.passed === null) return make("li", {}, well);
    return probe[key] ? make("li", { "data-tone": mood }, found) : make("li", { "data-tone": "good" }, well);
  });
  byId("checks").replaceChildren(...rows);
};

const drawReasons = (evidence) => {
  const none = make("li", { class: "quiet" }, "No evidence yet.");
  byId("evidence").replaceChildren(...(evidence.length > 0 ? evidenceList(evidence) : [none]));
};

/** The second command reads this very session. */
const fillCommands = (session) => {
  for (const place of document.querySelectorAll(".own-session")) say(place, session);
};
