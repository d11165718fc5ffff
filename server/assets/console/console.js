// What the console does beyond htmx: charts, the slider's number, quiet polling, marks in rule texts.

import { offerCopies } from "./copy.js";

const byId = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const charts = new Map();

/** Draws every chart of the page that is not drawn yet, from the numbers that it carries. */
const drawCharts = () => {
  for (const [place, chart] of charts) {
    if (!place.isConnected) {
      chart.destroy();
      charts.delete(place);
    }
  }
  for (const place of document.querySelectorAll("[data-chart]")) {
    if (charts.has(place)) continue;
    const readout = document.querySelector(`[data-readout="${place.dataset.chart}"]`);
    charts.set(place, drawBands(place, JSON.parse(place.dataset.values), readout));
  }
};

const drawBands = (place, { times, bands, width = 3600 }, readout) => {
  const show = width < 86_400 ? hour : day;
  const shown = bands.filter(({ counts }) => counts.some((count) => count > 0));
  const last = times.length - 1;
  // Stacked: each series is the sum of itself and those below; the tallest is drawn first, the others over it.
  const sums = shown.map((_, place) => times.map((_, at) => shown.slice(0, place + 1).reduce((sum, { counts }) => sum + counts[at], 0)));
  const order = shown.map((_, index) => shown.length - 1 - index);
  const bars = globalThis.uPlot.paths.bars({ size: [0.82, 60], align: 1 });
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
  const say = (at) => {
    if (!readout) return;
    if (at === null || at === undefined) readout.textContent = `Point at or touch the chart to read ${width < 86_400 ? "an hour" : "a bar"}.`;
    else readout.textContent = `${show(times[at])}: ${shown.map(({ label, counts }) => `${counts[at]} ${label.toLowerCase()}`).join(", ")}`;
  };
  const options = {
    width: place.clientWidth,
    height: 240,
    tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { range: () => [times[0], times[last] + width] },
      y: { range: (_, __, most) => [0, Math.max(4, Math.ceil(most * 1.08))] },
    },
    axes: [
      { ...axis, space: 70, values: (_, splits) => splits.map((seconds, at) => (width < 86_400 ? tick(seconds, splits[at - 1]) : day(seconds))) },
      { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000] },
    ],
    series: [{}, ...order.map((index) => ({
      label: shown[index].label,
      fill: colour(`--band-${shown[index].band}`),
      width: 0,
      paths: bars,
      points: { show: false },
    }))],
    hooks: { setCursor: [(chart) => say(chart.cursor.idx)] },
  };
  say(null);
  return new globalThis.uPlot(options, [times, ...order.map((index) => sums[index])], place);
};

const hour = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");

const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

/** The time of day, and the day where it begins. */
const tick = (seconds, before) => {
  const [day, time] = new Date(seconds * 1000).toISOString().slice(5, 16).split("T");
  const isSameDay = before !== undefined && new Date(before * 1000).getUTCDate() === new Date(seconds * 1000).getUTCDate();
  return isSameDay ? time : `${time}\n${day}`;
};

const redraw = () => {
  for (const [place, chart] of charts) {
    chart.destroy();
    charts.delete(place);
  }
  drawCharts();
};

let resized;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => {
    for (const [place, chart] of charts) chart.setSize({ width: place.clientWidth, height: 240 });
  }, 100);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

/** Writes a slider's number where the slider says. */
document.addEventListener("input", ({ target }) => {
  const output = target.dataset?.output && byId(target.dataset.output);
  if (output) output.textContent = target.value;
});

/** Puts the cursor at the fault of a rule text. */
document.addEventListener("click", ({ target }) => {
  const jump = target.closest?.("[data-jump]");
  const field = jump && byId(jump.dataset.field);
  if (!field) return;
  const start = Number(jump.dataset.jump);
  field.focus();
  field.setSelectionRange(start, start + Number(jump.dataset.length || 0));
});

/** Fills the rule form with an example. */
document.addEventListener("click", ({ target }) => {
  const example = target.closest?.("[data-example]");
  const field = example && byId("expression");
  if (!field) return;
  field.value = example.dataset.example;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
});

// A page that nobody looks at asks for nothing, and a table that somebody reads is not taken away.
document.addEventListener("htmx:beforeRequest", (event) => {
  const isTimed = /^every /.test(event.target.getAttribute("hx-trigger") ?? "");
  if (isTimed && (document.hidden || event.target.querySelector("details[open]"))) event.preventDefault();
});

const connection = (isLost) => {
  const notice = byId("connection");
  if (notice) notice.hidden = !isLost;
};
document.addEventListener("htmx:sendError", () => connection(true));
document.addEventListener("htmx:timeout", () => connection(true));
document.addEventListener("htmx:responseError", ({ detail }) => connection(detail.xhr.status >= 500));
document.addEventListener("htmx:afterRequest", ({ detail }) => detail.successful && connection(false));
document.addEventListener("htmx:afterSettle", drawCharts);

drawCharts();
offerCopies();
