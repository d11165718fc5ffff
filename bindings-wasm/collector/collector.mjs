/*
 * Quivive's browser collector. It counts and times what a visitor does and sends numbers, never text, keys,
 * coordinates or URLs. It adds nothing to the page, never blocks it, and every fault is silent.
 *
 * <script async src="https://your.host/v1/sdk.js" data-botect-sdk data-site-key="pk_..."></script>
 *
 * The build makes one classic script and one module of this file and those that it imports.
 */

import { add, configure, hasStopped, pump, sendLast } from "./delivery.mjs";
import { doWithoutMeasures, loadMeasures } from "./measures.mjs";
import { probe, readEnvironment } from "./probe.mjs";
import { quietly } from "./quietly.mjs";
import { currentSession, recallToken } from "./session.mjs";
import { beginView, currentView, hasNews, listen, noteVisibility, snapshotPayload } from "./view.mjs";

export { currentSession };

const VERSION = "1.1.0";
const MARK = Symbol.for("quivive.collector");
const ANNOUNCE_SECONDS = 1;
const SNAPSHOT_SECONDS = [3, 8];
const SNAPSHOT_INTERVAL_SECONDS = 15;
const SNAPSHOTS_PER_VIEW = 20;
const NAVIGATION_INTERVAL_MS = 1000;
const LANGUAGE_TAG = /^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$/;

/**
 * Starts the collector once per page; later calls do nothing. `script` is the address of this script, `endpoint`
 * where events go (`/v1/events` beside the script by default), `measures` false leaves out the wasm file on pages
 * whose policy refuses it.
 */
export const start = ({ siteKey, endpoint, script, measures = true }) =>
  quietly(() => {
    if (!siteKey || window[MARK]) return;
    const address = new URL(endpoint || new URL("/v1/events", script), document.baseURI).href;
    Object.defineProperty(window, MARK, { value: true });
    configure(siteKey, address);
    recallToken();
    if (measures && script) loadMeasures(new URL("sdk.wasm", script));
    else doWithoutMeasures();
    if (document.prerendering) document.addEventListener("prerenderingchange", () => quietly(begin), { once: true });
    else begin();
  });

/** Sends what was seen so far at once; the schedule goes on. */
export const flush = () => quietly(() => currentView() && takeSnapshot(false));

const begin = () => {
  const activated = performance.getEntriesByType?.("navigation")[0]?.activationStart ?? 0;
  beginView(activated);
  listen();
  const on = (target, type, action) => target.addEventListener(type, (event) => quietly(() => action(event)));
  on(document, "visibilitychange", noteHiding);
  on(window, "pagehide", noteEnd);
  on(window, "pageshow", noteReturn);
  on(window, "popstate", noteNavigation);
  // Where the browser does not tell of a page that changes its path, looking is less of a stranger than patching.
  if (window.navigation?.addEventListener) on(window.navigation, "currententrychange", noteNavigation);
  else setInterval(() => quietly(noteNavigation), NAVIGATION_INTERVAL_MS);
  schedule();
};

// Schedule of a page view.

let timers = [];

const schedule = () => {
  timers.forEach(clearTimeout);
  timers = [];
  at(ANNOUNCE_SECONDS, announce);
  for (const seconds of SNAPSHOT_SECONDS) at(seconds, () => takeSnapshot(true));
  repeat(SNAPSHOT_SECONDS.at(-1) + SNAPSHOT_INTERVAL_SECONDS);
};

const at = (seconds, action) => timers.push(setTimeout(() => quietly(action), seconds * 1000));

const repeat = (seconds) =>
  at(seconds, () => {
    takeSnapshot(false);
    if (currentView().snapshots < SNAPSHOTS_PER_VIEW) repeat(SNAPSHOT_INTERVAL_SECONDS);
  });

const announce = () => {
  addPage();
  pump();
};

const takeSnapshot = (always) => {
  addPage();
  addSnapshot(always);
  pump();
};

/** A visit of less than a second still is a page view. */
const addPage = () => {
  const view = currentView();
  if (view.isAnnounced) return;
  view.isAnnounced = true;
  add("page", pagePayload(view.path));
  add("js_probe", probePayload());
};

/** Adds a snapshot unless nothing was done since the last one. */
const addSnapshot = (always) => {
  const isNews = hasNews();
  if (!always && !isNews) return;
  currentView().snapshots += 1;
  add("snapshot", snapshotPayload(VERSION));
};

// Ends and beginnings of a page view.

/** A page that changes its path without loading is a new page view. */
const noteNavigation = () => {
  if (hasStopped() || location.pathname === currentView().path) return;
  takeSnapshot(true);
  beginView(performance.now());
  schedule();
};

/** Leaving hides the page as well: that is no change of tabs. */
const noteHiding = () => {
  if (!currentView().isOver && noteVisibility()) finish(true);
};

const noteEnd = () => {
  finish(currentView().visibleSince !== null);
  currentView().isOver = true;
};

const finish = (always) => {
  addPage();
  addSnapshot(always);
  sendLast();
};

/** A page that comes back from the browser's cache is a new view with its own clock. */
const noteReturn = (event) => {
  if (!event.persisted) return;
  recallToken();
  beginView(performance.now());
  schedule();
};

// What is said once per page view.

const pagePayload = (path) => {
  const shape = path.replace(/\/\d+(?=\/|$)/g, "/{n}").slice(0, 64);
  const payload = { page_path_hash: pathHash(path) };
  return /^\/[A-Za-z0-9/._{}-]*$/.test(shape) ? { ...payload, page_path_shape: shape } : payload;
};

/** 64-bit FNV-1a over the path, as 16 hexadecimal digits. */
const pathHash = (path) => {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(path)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
};

const probePayload = () => {
  const environment = readEnvironment();
  const languages = (environment.languages ?? []).filter((tag) => LANGUAGE_TAG.test(tag)).slice(0, 10);
  return { collector_version: VERSION, ...probe(environment), languages };
};

quietly(() => {
  const own = document.currentScript;
  const tag = own?.matches("[data-botect-sdk]") ? own : document.querySelector("script[data-botect-sdk]");
  const { siteKey, endpoint, measures } = tag.dataset;
  start({ siteKey, endpoint, script: tag.src, measures: measures !== "off" });
});
