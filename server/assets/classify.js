import { byId, evidenceList, make } from "./dom.js";
import { initialize } from "./native.js";
import { Classifier } from "./quivive.js";

const EXAMPLES = [
  ["Your browser", navigator.userAgent],
  ["GPTBot", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)"],
  ["ChatGPT-User", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)"],
  ["Googlebot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"],
  ["curl", "curl/8.5.0"],
];

let classifier;

/** Wires the form that judges a User-Agent header without asking the server. */
export const offerClassification = () => {
  const form = byId("classify");
  const input = byId("agent");
  input.value = navigator.userAgent;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    classify(input.value);
  });
  const buttons = EXAMPLES.map(([name, agent]) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      input.value = agent;
      classify(agent);
    });
    return button;
  });
  byId("examples").replaceChildren(...buttons);
};

const classify = async (agent) => {
  const box = byId("classification");
  try {
    await initialize();
    classifier ??= new Classifier();
    box.replaceChildren(...describe(classifier.classify({ user_agent: agent, now: Date.now() })));
  } catch (error) {
    box.replaceChildren(make("p", { "data-tone": "bad" }, `Not classified: ${error.message}`));
  }
};

const describe = (found) => {
  const kind = found.bot_type.replaceAll("_", " ");
  const mood = found.is_bot ? "warn" : "good";
  const { name = kind, vendor } = found.agent ?? {};
  const chips = make(
    "p",
    { class: "chips" },
    make("span", { class: "chip", "data-tone": mood }, kind),
    make("span", { class: "chip plain" }, `confidence ${Math.round(found.confidence * 100)} %`),
  );
  const items = evidenceList(found.evidence ?? []);
  const list = make("ul", { class: "evidence" }, ...(items.length > 0 ? items : [make("li", { class: "quiet" }, "No evidence of automation.")]));
  return [make("p", {}, make("strong", {}, vendor ? `${name}, ${vendor}` : name)), chips, list];
};
