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
const PASSIVE = { capture: true, passive: true };

let view;

/** Movements wait here as time, x, y: a loop over many costs far less than a call for each. */
const MOVES_HELD = 64;
const moves = new Float64Array(3 * MOVES_HELD);
let movesHeld = 0;

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
    lastMove: { mouse_moves: -Infinity, pointer_moves: -Infinity },
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
  movesHeld = 0;
  measure("begin");
  addEventListener("pointermove", noteOtherMove, PASSIVE);
};

/** What the view's snapshot says; `version` is the collector's. */
export const snapshotPayload = (version) => {
  takeMoves();
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
  takeMoves();
  const seen = JSON.stringify([view.counts, [...view.pointerTypes]]);
  const isNews = seen !== view.lastSeen;
  view.lastSeen = seen;
  return isNews;
};

/** Takes a change of visibility; true when the page is hidden now. */
export const noteVisibility = () => {
  const at = performance.now();
  count("visibility_changes");
  tell("gap");
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
  addEventListener("mousemove", noteMove, PASSIVE);
  const types = new Set([...Object.keys(HANDLERS), ...SCRIPTED]);
  for (const type of types) {
    const [handler, isScripted] = [HANDLERS[type], SCRIPTED.includes(type)];
    const observe = (event) => {
      try {
        if (!event.isTrusted) isScripted && tell("untrusted");
        else if (handler) handler(event);
      } catch {
        // The page's event goes on its way.
      }
    };
    addEventListener(type, observe, PASSIVE);
  }
  document.documentElement.addEventListener("mouseleave", () => tell("gap"), PASSIVE);
};

/** Measures what follows the movements so far. */
const tell = (name, first, second, third, fourth) => {
  takeMoves();
  measure(name, first, second, third, fourth);
};

const noteMove = (event) => {
  if (!event.isTrusted) {
    tell("untrusted_move");
  } else if (view.lastPointer === "touch") {
    // A tap is followed by a movement for pages that know the mouse only.
    countMove("mouse_moves", event.timeStamp);
  } else {
    if (movesHeld === MOVES_HELD) takeMoves();
    const place = 3 * movesHeld;
    moves[place] = event.timeStamp;
    moves[place + 1] = event.clientX;
    moves[place + 2] = event.clientY;
    movesHeld += 1;
  }
};

const takeMoves = () => {
  for (let place = 0; place < 3 * movesHeld; place += 3) {
    countMove("mouse_moves", moves[place]);
    countMove("pointer_moves", moves[place]);
    measure("moved", moves[place], moves[place + 1], moves[place + 2]);
  }
  movesHeld = 0;
};

/** Every movement of a mouse comes twice; once it is known to be one, `mousemove` tells enough. */
const noteOtherMove = (event) => {
  if (!event.isTrusted) return;
  notePointer(event);
  if (view.lastPointer === "mouse") removeEventListener("pointermove", noteOtherMove, PASSIVE);
  else if (view.lastPointer === "touch") countMove("pointer_moves", event.timeStamp);
};

const count = (name) => {
  view.counts[name] = Math.min(MOST_COUNTED[name], view.counts[name] + 1);
};

const bounded = (milliseconds) => Math.min(DAY_MS, Math.max(0, Math.round(milliseconds)));

const visibleMs = (at) => view.visibleMs + (view.visibleSince === null ? 0 : at - view.visibleSince);

const countMove = (name, time) => {
  if (time - view.lastMove[name] < MOVE_INTERVAL_MS) return;
  view.lastMove[name] = time;
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
  if (event.pointerType === "mouse") tell(name, event.timeStamp, event.clientX, event.clientY);
  view.lastPress = event.timeStamp;
};

const noteKeyDown = (event) => {
  noteFirstInput(event);
  noteLeap(event);
  view.lastPress = event.timeStamp;
  if (!event.repeat) count("key_events");
  if (isHardKey(event)) tell("key_down", event.timeStamp, slotOf(event.code));
  else view.hasSoftKeys = true;
};

const noteKeyUp = (event) => {
  view.lastPress = event.timeStamp;
  if (isHardKey(event)) tell("key_up", event.timeStamp, slotOf(event.code));
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
  if (event.inputType === "insertText" && !event.isComposing && !view.hasSoftKeys) tell("input", event.timeStamp, 1);
};

const noteClick = (event) => {
  noteLeap(event);
  count("click_events");
  const isOfPress = event.detail > 0 || event.timeStamp - view.lastPress < CLICK_MS;
  if (!isOfPress) tell("clicked", event.timeStamp, event.clientX, event.clientY);
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
  if (isHand) tell("scrolled", event.timeStamp, ...place);
  else tell("placed", ...place);
};

const noteDepth = (position, viewportHeight, documentHeight) => {
  const depth = Math.round(((position + viewportHeight) / Math.max(1, documentHeight)) * 100);
  view.counts.scroll_max_depth_pct = Math.max(view.counts.scroll_max_depth_pct, Math.min(100, Math.max(0, depth)));
};

const noteLeap = (event) => {
  view.leapUntil = event.timeStamp + LEAP_MS;
};

const HANDLERS = {
  pointerdown: (event) => {
    noteFirstInput(event);
    notePointer(event);
    if (event.pointerType !== "mouse") addEventListener("pointermove", noteOtherMove, PASSIVE);
    notePress("pressed", event);
  },
  pointerup: (event) => notePress("released", event),
  touchstart: noteFirstInput,
  wheel: (event) => tell("wheeled", event.timeStamp),
  keydown: noteKeyDown,
  keyup: noteKeyUp,
  input: noteText,
  click: noteClick,
  scroll: noteScroll,
  blur: (event) => event.target === window && tell("gap"),
};

/** Events that only input devices make; a script that makes one is worth knowing of. */
const SCRIPTED = ["pointerdown", "mousedown", "mouseup", "keydown", "click"];
