/* One page view: what was done in it, as counts and times. Keys, text and places go nowhere. */

import { measure, measured, motion } from "./measures.mjs";

/** The largest values that the server takes. */
const MOST_COUNTED = {
  visibility_changes: 10000,
  mouse_moves: 1000000,
  pointer_moves: 1000000,
  scroll_events: 1000000,
  click_events: 100000,
  key_events: 100000,
};
const DAY_MS = 86400000;
const MOVE_INTERVAL_MS = 20;
/** Following a link inside the page or pressing End moves it in one leap; that says nothing about its reader. */
const LEAP_MS = 120;
/** A click this soon after a press of button or key is that press's click. */
const CLICK_MS = 50;
const POINTER_TYPES = ["mouse", "touch", "pen"];

let view;

export const currentView = () => view;

export const beginView = (start) => {
  view = {
    start,
    path: location.pathname,
    visibleSince: document.visibilityState === "visible" ? start : null,
    visibleMs: 0,
    pointerTypes: new Set(),
    counts: {
      visibility_changes: 0,
      mouse_moves: 0,
      pointer_moves: 0,
      scroll_events: 0,
      scroll_max_depth_pct: 0,
      click_events: 0,
      key_events: 0,
      first_input_delay_ms: null,
      time_to_first_input_ms: null,
    },
    lastMove: {},
    lastPointer: "mouse",
    lastPress: -Infinity,
    leapUntil: 0,
    isPlaced: false,
    keySlots: new Map(),
    hasSoftKeys: matchMedia("(pointer: coarse)").matches,
    isAnnounced: false,
    isOver: false,
    snapshots: 0,
    lastSeen: "",
  };
  measure("begin");
};

/** What the view's snapshot says; `version` is the collector's. */
export const snapshotPayload = (version) => {
  const at = performance.now();
  return {
    collector_version: version,
    total_ms: bounded(at - view.start),
    visible_ms: bounded(visibleMs(at)),
    ...view.counts,
    pointer_types: [...view.pointerTypes],
    mouse_entropy: measured("mouse_entropy", 3, 1),
    scroll_velocity: measured("scroll_velocity", 0, 1000000),
    max_touch_points: Math.min(100, navigator.maxTouchPoints ?? 0),
    coarse_pointer: matchMedia("(pointer: coarse)").matches ? 1 : 0,
    ...motion(),
  };
};

/** Whether anything was done since this was last asked. */
export const hasNews = () => {
  const seen = JSON.stringify([view.counts, [...view.pointerTypes]]);
  const isNews = seen !== view.lastSeen;
  view.lastSeen = seen;
  return isNews;
};

/** Takes a change of visibility; true when the page is hidden now. */
export const noteVisibility = () => {
  const at = performance.now();
  count("visibility_changes");
  measure("gap");
  if (document.visibilityState === "visible") {
    view.visibleSince = at;
    return false;
  }
  view.visibleMs = visibleMs(at);
  view.visibleSince = null;
  return true;
};

/** Begins to watch the page's input. */
export const listen = () => {
  const types = new Set([...Object.keys(HANDLERS), ...Object.keys(SCRIPTED)]);
  for (const type of types) {
    const [handler, scripted] = [HANDLERS[type], SCRIPTED[type]];
    const observe = (event) => {
      try {
        if (!event.isTrusted) scripted && measure(scripted);
        else if (handler) handler(event);
      } catch {
        // The page's event goes on its way.
      }
    };
    addEventListener(type, observe, { capture: true, passive: true });
  }
  document.documentElement.addEventListener("mouseleave", () => measure("gap"), { passive: true });
};

const count = (name) => {
  view.counts[name] = Math.min(MOST_COUNTED[name], view.counts[name] + 1);
};

const bounded = (milliseconds) => Math.min(DAY_MS, Math.max(0, Math.round(milliseconds)));

const visibleMs = (at) => view.visibleMs + (view.visibleSince === null ? 0 : at - view.visibleSince);

const countMove = (name, event) => {
  if (event.timeStamp - (view.lastMove[name] ?? -MOVE_INTERVAL_MS) < MOVE_INTERVAL_MS) return;
  view.lastMove[name] = event.timeStamp;
  count(name);
};

const noteFirstInput = (event) => {
  if (view.counts.time_to_first_input_ms !== null || event.timeStamp < view.start) return;
  view.counts.time_to_first_input_ms = bounded(event.timeStamp - view.start);
  view.counts.first_input_delay_ms = Math.max(1, bounded(performance.now() - event.timeStamp));
};

const notePointer = ({ pointerType }) => {
  if (!POINTER_TYPES.includes(pointerType)) return;
  view.lastPointer = pointerType;
  view.pointerTypes.add(pointerType);
};

const notePress = (name, event) => {
  if (event.pointerType === "mouse") measure(name, event.timeStamp, event.clientX, event.clientY);
  view.lastPress = event.timeStamp;
};

const noteKeyDown = (event) => {
  noteFirstInput(event);
  noteLeap(event);
  view.lastPress = event.timeStamp;
  if (!event.repeat) count("key_events");
  if (isHardKey(event)) measure("key_down", event.timeStamp, slotOf(event.code));
  else view.hasSoftKeys = true;
};

const noteKeyUp = (event) => {
  view.lastPress = event.timeStamp;
  if (isHardKey(event)) measure("key_up", event.timeStamp, slotOf(event.code));
};

/** Keyboards on the screen and for compositions tell neither keys nor times. */
const isHardKey = (event) => Boolean(event.code) && !event.isComposing && event.keyCode !== 229;

/** A key's number in order of first appearance; which key it is stays here. */
const slotOf = (code) => {
  if (!view.keySlots.has(code)) view.keySlots.set(code, view.keySlots.size);
  return view.keySlots.get(code);
};

/** Text as if typed. Pasted, filled in, dictated or composed text has no keys, and that is as it should be. */
const noteText = (event) => {
  if (event.inputType === "insertText" && !event.isComposing && !view.hasSoftKeys) measure("input", event.timeStamp, 1);
};

const noteClick = (event) => {
  noteLeap(event);
  count("click_events");
  const isOfPress = event.detail > 0 || event.timeStamp - view.lastPress < CLICK_MS;
  if (!isOfPress) measure("clicked", event.timeStamp, event.clientX, event.clientY);
};

/** Only the page itself is measured; scrolling of a part of it is counted. */
const noteScroll = (event) => {
  count("scroll_events");
  const page = document.scrollingElement;
  if (event.target !== document || !page) return;
  const place = [page.scrollTop, innerHeight, page.scrollHeight];
  noteDepth(...place);
  // The first event may be the browser that restores an old position: it tells only where the page stands.
  const isHand = view.isPlaced && event.timeStamp > view.leapUntil;
  view.isPlaced = true;
  if (isHand) measure("scrolled", event.timeStamp, ...place);
  else measure("placed", ...place);
};

const noteDepth = (position, viewportHeight, documentHeight) => {
  const depth = Math.round(((position + viewportHeight) / Math.max(1, documentHeight)) * 100);
  view.counts.scroll_max_depth_pct = Math.max(view.counts.scroll_max_depth_pct, Math.min(100, Math.max(0, depth)));
};

const noteLeap = (event) => {
  view.leapUntil = event.timeStamp + LEAP_MS;
};

const HANDLERS = {
  mousemove: (event) => {
    countMove("mouse_moves", event);
    // A tap is followed by a movement for pages that know the mouse only.
    if (view.lastPointer === "mouse") measure("moved", event.timeStamp, event.clientX, event.clientY);
  },
  pointermove: (event) => {
    countMove("pointer_moves", event);
    notePointer(event);
  },
  pointerdown: (event) => {
    noteFirstInput(event);
    notePointer(event);
    notePress("pressed", event);
  },
  pointerup: (event) => notePress("released", event),
  touchstart: noteFirstInput,
  wheel: (event) => measure("wheeled", event.timeStamp),
  keydown: noteKeyDown,
  keyup: noteKeyUp,
  input: noteText,
  click: noteClick,
  scroll: noteScroll,
  blur: (event) => event.target === window && measure("gap"),
};

/** Events that only input devices make, and what it says when a script made one. */
const SCRIPTED = {
  mousemove: "untrusted_move",
  pointerdown: "untrusted",
  mousedown: "untrusted",
  mouseup: "untrusted",
  keydown: "untrusted",
  click: "untrusted",
};
