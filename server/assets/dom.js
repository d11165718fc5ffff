/** The element of that id. */
export const byId = (id) => document.getElementById(id);

/** Makes an element with text or children; text is never read as markup. */
export const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
};

/** Sets text only when it changed, so that screen readers do not repeat themselves. */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

/** Sets or removes the tone (`good`, `warn`, `bad`) of an element. */
export const tone = (element, value) => {
  if (value) element.dataset.tone = value;
  else delete element.dataset.tone;
};

/** A whole number of milliseconds as a person reads it. */
export const duration = (milliseconds) => {
  if (milliseconds === null || milliseconds === undefined) return "–";
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
};

/** Evidence items, strongest first; weight above 0 speaks for automation. */
export const evidenceList = (items) =>
  [...items].sort((left, right) => Math.abs(right.weight) - Math.abs(left.weight)).map(evidenceItem);

const evidenceItem = ({ weight, text, number }) => {
  const [mood, side] = weight > 0 ? ["bad", "bot"] : weight < 0 ? ["good", "person"] : [undefined, "neither"];
  const strength = make("span", { class: "weight", "data-tone": mood }, `${side} ${Math.abs(weight).toFixed(2)}`);
  const sentence = make("span", {}, text.charAt(0).toUpperCase() + text.slice(1));
  if (number) sentence.append(" ", make("code", { title: "Detection id on the wire" }, String(number)));
  return make("li", {}, strength, sentence);
};
