// What the dashboard and the account page do beyond htmx: the chart, quiet refreshing, what is said when it fails.
import { offerCopies } from "./copy.js";

const HEIGHT = 220;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const charts = new Map();

/** Draws the chart of the page if it is not drawn yet, from the numbers that it carries. */
const draw = () => {
  for (const [place, chart] of charts) {
    if (!place.isConnected) {
      chart.destroy();
      charts.delete(place);
    }
  }
  for (const place of document.querySelectorAll("[data-volume]")) {
    if (!charts.has(place)) charts.set(place, drawVolume(place, JSON.parse(place.dataset.volume)));
  }
};

const drawVolume = (place, { times: texts, series }) => {
  const readout = place.parentElement.querySelector(".readout");
  const times = texts.map((text) => Date.parse(text) / 1000);
  const width = times[1] - times[0];
  const last = times.length - 1;
  // Stacked: each series is the sum of itself and those below; the tallest is drawn first, the others over it.
  const sums = series.map((_, place) => times.map((_, at) => series.slice(0, place + 1).reduce((sum, { counts }) => sum + counts[at], 0)));
  const order = series.map((_, index) => series.length - 1 - index);
  const bars = globalThis.uPlot.paths.bars({ size: [0.82, 60], align: 1 });
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
  const say = (at) => {
    if (at === null || at === undefined) readout.textContent = "Point at or touch the chart to read a bar.";
    else readout.textContent = `${moment(times[at])}: ${series.map(({ label, counts }) => `${counts[at]} ${label.toLowerCase()}`).join(", ")}`;
  };
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { range: () => [times[0], times[last] + width] },
      y: { range: (_, __, most) => [0, Math.max(4, Math.ceil(most * 1.08))] },
    },
    axes: [
      { ...axis, space: 70, values: (_, splits) => splits.map((seconds, at) => tick(seconds, splits[at - 1], width)) },
      { ...axis, size: 48, incrs: steps, values: (_, splits) => splits.map(short) },
    ],
    series: [{}, ...order.map((index) => ({
      label: series[index].label,
      fill: colour(`--series-${series[index].series}`),
      width: 0,
      paths: bars,
      points: { show: false },
    }))],
    hooks: { setCursor: [(chart) => say(chart.cursor.idx)] },
  };
  return new globalThis.uPlot(options, [times, ...order.map((index) => sums[index])], place);
};

const steps = [1, 2, 5].flatMap((digit) => Array.from({ length: 9 }, (_, power) => digit * 10 ** power)).sort((left, right) => left - right);

const short = (number) => (number >= 1e6 ? `${number / 1e6}M` : number >= 1e3 ? `${number / 1e3}K` : String(number));

const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");

/** The time of day, and the day where it begins; of bars a day wide the day alone. */
const tick = (seconds, before, width) => {
  const [day, time] = new Date(seconds * 1000).toISOString().slice(5, 16).split("T");
  if (width >= 86_400) return time === "00:00" ? day : "";
  const isSameDay = before !== undefined && new Date(before * 1000).getUTCDate() === new Date(seconds * 1000).getUTCDate();
  return isSameDay ? time : `${time}\n${day}`;
};

const redraw = () => {
  for (const [place, chart] of charts) {
    chart.destroy();
    charts.delete(place);
  }
  draw();
};

let resized;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(() => {
    for (const [place, chart] of charts) chart.setSize({ width: place.clientWidth, height: HEIGHT });
  }, 100);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

const refresh = (body) => globalThis.htmx.trigger(body, "refresh");

// A page that nobody looks at asks for nothing, and a table that somebody reads is not taken away.
document.addEventListener("htmx:beforeRequest", (event) => {
  const body = event.target;
  if (body.matches?.(".panel-body") && (document.hidden || body.querySelector("details[open]"))) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.querySelectorAll(".panel-body").forEach(refresh);
});

const fault = ({ target }, isFailed) => {
  const notice = target.closest?.(".panel")?.querySelector(".panel-fault");
  if (notice) notice.hidden = !isFailed;
};
for (const name of ["sendError", "timeout", "responseError"]) {
  document.addEventListener(`htmx:${name}`, (event) => fault(event, true));
}
document.addEventListener("htmx:afterRequest", (event) => event.detail.successful && fault(event, false));
document.addEventListener("htmx:afterSettle", draw);
document.addEventListener("click", ({ target }) => {
  if (target.matches?.("[data-retry]")) refresh(target.closest(".panel").querySelector(".panel-body"));
});

draw();
offerCopies();
