/*
 * Quivive's browser collector. It counts and times what a visitor does and sends numbers, never text, keys,
 * coordinates or URLs. It adds nothing to the page, never blocks it, and every fault is silent.
 *
 * <script async src="https://your.host/v1/sdk.js" data-botect-sdk data-site-key="pk_..."></script>
 *
 * The measures of pointer and scroll movement are computed in wasm; where a page's policy refuses wasm,
 * everything else still works and those measures are simply absent.
 */

const VERSION = "1.0.0";
const STORAGE_NAME = "botect_session";
const STORAGE_SECONDS = 2592000;
const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;
const SNAPSHOT_SECONDS = [3, 8];
const SNAPSHOT_INTERVAL_SECONDS = 15;
const SNAPSHOTS_PER_VIEW = 20;
const RETRY_SECONDS = [2, 8];
/** Answers after which this page has nothing more to say. */
const FINAL_STATUSES = [401, 402, 403, 404, 409];
const MOVE_INTERVAL_MS = 20;
const BATCH_EVENTS = 100;
const BATCH_BYTES = 60000;
const MOVES_BEFORE_WASM = 500;
/** Following a link inside the page or pressing End moves it in one leap; that says nothing about its reader. */
const LEAP_MS = 120;

/** Runs what a page must never notice. */
const quietly = (action) => {
  try {
    return action();
  } catch {
    return undefined;
  }
};

// Session token: cookie, then local storage, then memory.

let sessionToken = null;

const readToken = () => {
  const cookie = quietly(() => document.cookie.split("; ").find((part) => part.startsWith(`${STORAGE_NAME}=`)));
  const found = cookie?.slice(STORAGE_NAME.length + 1) || quietly(() => localStorage.getItem(STORAGE_NAME));
  return found && TOKEN.test(found) ? found : null;
};

const keepToken = (token) => {
  sessionToken = token;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  quietly(() => {
    document.cookie = `${STORAGE_NAME}=${token}; Path=/; Max-Age=${STORAGE_SECONDS}; SameSite=Lax${secure}`;
  });
  quietly(() => localStorage.setItem(STORAGE_NAME, token));
};

const randomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));

const mintToken = () =>
  `bt_${btoa(String.fromCharCode(...randomBytes(18))).replaceAll("+", "-").replaceAll("/", "_")}`;

/** `crypto.randomUUID` exists on secure pages only. */
const randomId = () => Array.from(randomBytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Measures in wasm.

let measures = null;
let waiting = [];

const loadMeasures = async (url) => {
  try {
    const answer = await fetch(url, { credentials: "omit" });
    const { instance } = await WebAssembly.instantiate(await answer.arrayBuffer(), {});
    const loaded = instance.exports;
    for (const [name, ...numbers] of waiting) loaded[name](...numbers);
    measures = loaded;
  } catch {
    // Refused by the page's policy or by the network: the measures stay absent.
  }
  waiting = [];
};

const measure = (name, ...numbers) => {
  if (measures) measures[name](...numbers);
  else if (waiting.length < MOVES_BEFORE_WASM) waiting.push([name, ...numbers]);
};

const measured = (name, digits, most) => {
  const value = measures ? measures[name]() : NaN;
  return Number.isFinite(value) ? Math.min(most, Math.max(0, Number(value.toFixed(digits)))) : null;
};

// One page view and what was seen in it.

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

let view;

const now = () => performance.now();

const beginView = (start) => {
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
    leapUntil: 0,
    isPlaced: false,
    isAnnounced: false,
    snapshots: 0,
    lastSeen: "",
  };
  measure("begin");
};

const count = (name) => {
  view.counts[name] = Math.min(MOST_COUNTED[name], view.counts[name] + 1);
};

const bounded = (milliseconds) => Math.min(DAY_MS, Math.max(0, Math.round(milliseconds)));

const countMove = (name, event) => {
  if (event.timeStamp - (view.lastMove[name] ?? -MOVE_INTERVAL_MS) < MOVE_INTERVAL_MS) return false;
  view.lastMove[name] = event.timeStamp;
  count(name);
  return true;
};

const noteFirstInput = (event) => {
  if (view.counts.time_to_first_input_ms !== null || event.timeStamp < view.start) return;
  view.counts.time_to_first_input_ms = bounded(event.timeStamp - view.start);
  view.counts.first_input_delay_ms = Math.max(1, bounded(now() - event.timeStamp));
};

const notePointerType = (event) => {
  if (["mouse", "touch", "pen"].includes(event.pointerType)) view.pointerTypes.add(event.pointerType);
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
  mousemove: (event) => countMove("mouse_moves", event) && measure("moved", event.timeStamp, event.clientX, event.clientY),
  pointermove: (event) => {
    countMove("pointer_moves", event);
    notePointerType(event);
  },
  pointerdown: (event) => {
    noteFirstInput(event);
    notePointerType(event);
  },
  touchstart: noteFirstInput,
  keydown: (event) => {
    noteFirstInput(event);
    noteLeap(event);
    if (!event.repeat) count("key_events");
  },
  click: (event) => {
    noteLeap(event);
    count("click_events");
    setTimeout(noteNavigation);
  },
  scroll: noteScroll,
};

const listen = () => {
  for (const [type, handler] of Object.entries(HANDLERS)) {
    const observe = (event) => quietly(() => event.isTrusted && handler(event));
    addEventListener(type, observe, { capture: true, passive: true });
  }
};

// Events to send.

const queue = [];

const add = (type, payload) => {
  queue.push({ request_id: randomId(), type, received_at: new Date().toISOString(), payload });
  if (queue.length > BATCH_EVENTS) queue.shift();
};

/** 64-bit FNV-1a over the path, as 16 hexadecimal digits. */
const pathHash = (path) => {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(path)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
};

const pagePayload = (path) => {
  const shape = path.replace(/\/\d+(?=\/|$)/g, "/{n}").slice(0, 64);
  const payload = { page_path_hash: pathHash(path) };
  return /^\/[A-Za-z0-9/._{}-]*$/.test(shape) ? { ...payload, page_path_shape: shape } : payload;
};

const PLATFORMS = [
  [/Windows/, /^Win/],
  [/Android/, /^(Linux|Android)/],
  [/iPhone|iPad/, /^(iP|Mac)/],
  [/Macintosh/, /^(Mac|iP)/],
  [/X11; (Linux|CrOS)/, /^Linux/],
];

/** What the browser says about itself; each flag is a fact, the server judges. */
const probePayload = () => {
  const { userAgent, languages = [], language, platform, plugins } = navigator;
  const isDesktopChromium = /Chrom(e|ium)\//.test(userAgent) && !/Mobile|Android/.test(userAgent);
  const claimed = PLATFORMS.find(([agent]) => agent.test(userAgent));
  // A page in a background tab may have no window yet.
  const isVisible = document.visibilityState === "visible";
  const flags = {
    webdriver: navigator.webdriver === true,
    headless: (isVisible && outerWidth === 0 && outerHeight === 0) || (isDesktopChromium && !window.chrome),
    headless_ua: /Headless|PhantomJS/.test(userAgent),
    zero_viewport: isVisible && (innerWidth === 0 || innerHeight === 0),
  };
  return {
    collector_version: VERSION,
    js_passed: !Object.values(flags).includes(true),
    ...flags,
    missing_plugins: isDesktopChromium && plugins?.length === 0,
    navigator_anomaly:
      languages.length === 0 || languages[0] !== language || Boolean(platform && claimed && !claimed[1].test(platform)),
    languages: [...languages].filter((tag) => /^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$/.test(tag)).slice(0, 10),
  };
};

const visibleMs = (at) => view.visibleMs + (view.visibleSince === null ? 0 : at - view.visibleSince);

const snapshotPayload = () => {
  const at = now();
  return {
    collector_version: VERSION,
    total_ms: bounded(at - view.start),
    visible_ms: bounded(visibleMs(at)),
    ...view.counts,
    pointer_types: [...view.pointerTypes],
    mouse_entropy: measured("mouse_entropy", 3, 1),
    scroll_velocity: measured("scroll_velocity", 0, 1000000),
    max_touch_points: Math.min(100, navigator.maxTouchPoints ?? 0),
    coarse_pointer: matchMedia("(pointer: coarse)").matches ? 1 : 0,
  };
};

/** Adds a snapshot unless nothing was done since the last one. */
const addSnapshot = (always) => {
  const seen = JSON.stringify([view.counts, [...view.pointerTypes]]);
  if (!always && seen === view.lastSeen) return;
  view.lastSeen = seen;
  view.snapshots += 1;
  add("snapshot", snapshotPayload());
};

// Sending: one batch at a time, so that events arrive in the order in which they happened.

let options;
let sending = false;
let stopped = false;

const body = (events) => JSON.stringify({ session_token: sessionToken, site_key: options.siteKey, events });

const takeBatch = () => {
  let count = Math.min(queue.length, BATCH_EVENTS);
  while (count > 1 && body(queue.slice(0, count)).length > BATCH_BYTES) count -= 1;
  return queue.splice(0, count);
};

const post = (events, key) =>
  fetch(options.endpoint, {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json", "idempotency-key": key, "x-botect-site-key": options.siteKey },
    body: body(events),
  });

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const deliver = async (events) => {
  const key = randomId();
  for (const delay of [...RETRY_SECONDS, null]) {
    const answer = await post(events, key).catch(() => null);
    if (answer?.ok) {
      await keepReply(answer);
      return;
    }
    if (answer && answer.status < 500) {
      stopped = FINAL_STATUSES.includes(answer.status);
      return;
    }
    if (delay !== null) await pause(delay);
  }
};

const keepReply = async (answer) => {
  const reply = await answer.json().catch(() => null);
  if (reply && TOKEN.test(reply.session_token ?? "")) keepToken(reply.session_token);
};

const pump = async () => {
  if (sending) return;
  sending = true;
  while (queue.length > 0 && !stopped) await deliver(takeBatch()).catch(() => undefined);
  sending = false;
};

/**
 * The page may end at any moment: no waiting, no retry. Another origin gets `text/plain` without further
 * headers, since a preflight would come too late; a first-party route may insist on JSON and needs no preflight.
 */
const sendLast = () => {
  if (queue.length === 0 || stopped) return;
  if (sessionToken === null) keepToken(mintToken());
  const type = new URL(options.endpoint).origin === location.origin ? "application/json" : "text/plain";
  const text = body(takeBatch());
  try {
    const request = { method: "POST", keepalive: true, credentials: "same-origin", headers: { "content-type": type }, body: text };
    fetch(options.endpoint, request).catch(() => undefined);
  } catch {
    quietly(() => navigator.sendBeacon(options.endpoint, new Blob([text], { type })));
  }
};

// Schedule of a page view.

let timers = [];

const schedule = () => {
  timers.forEach(clearTimeout);
  const at = (seconds, action) => setTimeout(() => quietly(action), seconds * 1000);
  timers = [at(1, announce), ...SNAPSHOT_SECONDS.map((seconds) => at(seconds, () => takeSnapshot(true)))];
  const repeat = (seconds) => {
    timers.push(
      at(seconds, () => {
        noteNavigation();
        takeSnapshot(false);
        if (view.snapshots < SNAPSHOTS_PER_VIEW) repeat(SNAPSHOT_INTERVAL_SECONDS);
      }),
    );
  };
  repeat(SNAPSHOT_SECONDS.at(-1) + SNAPSHOT_INTERVAL_SECONDS);
};

const addPage = () => {
  if (view.isAnnounced) return;
  view.isAnnounced = true;
  add("page", pagePayload(view.path));
  add("js_probe", probePayload());
};

const announce = () => {
  addPage();
  pump();
};

const takeSnapshot = (always) => {
  addPage();
  addSnapshot(always);
  pump();
};

/** A page that changes its path without loading is a new page view. */
const noteNavigation = () => {
  if (stopped || location.pathname === view.path) return;
  takeSnapshot(false);
  beginView(now());
  schedule();
};

const noteVisibility = () => {
  const at = now();
  count("visibility_changes");
  if (document.visibilityState === "visible") {
    view.visibleSince = at;
    return;
  }
  view.visibleMs = visibleMs(at);
  view.visibleSince = null;
  finishView();
};

/** A visit of less than a second still is a page view. */
const finishView = () => {
  addPage();
  addSnapshot(false);
  sendLast();
};

/** A page that comes back from the browser's cache is a new view with its own clock. */
const noteReturn = (event) => {
  if (!event.persisted) return;
  beginView(now());
  schedule();
};

const begin = () => {
  const activated = performance.getEntriesByType?.("navigation")[0]?.activationStart ?? 0;
  beginView(activated);
  listen();
  document.addEventListener("visibilitychange", () => quietly(noteVisibility));
  addEventListener("pagehide", () => quietly(finishView));
  addEventListener("pageshow", (event) => quietly(() => noteReturn(event)));
  addEventListener("popstate", () => quietly(noteNavigation));
  quietly(() => window.navigation?.addEventListener("currententrychange", () => quietly(noteNavigation)));
  schedule();
};

/** Starts the collector once per page; later calls do nothing. `script` is the address of this script. */
export const start = ({ siteKey, endpoint, script }) =>
  quietly(() => {
    const mark = Symbol.for("quivive.collector");
    if (!siteKey || window[mark]) return;
    window[mark] = true;
    options = { siteKey, endpoint: new URL(endpoint || new URL("/v1/events", script), location.href).href };
    sessionToken = readToken();
    loadMeasures(new URL("sdk.wasm", script));
    if (document.prerendering) document.addEventListener("prerenderingchange", () => quietly(begin), { once: true });
    else begin();
  });

/** The token of this visitor's session, or null before the first answer. */
export const currentSession = () => sessionToken;

/** Sends what was seen so far at once; the schedule goes on. */
export const flush = () => quietly(() => takeSnapshot(false));

quietly(() => {
  const tag = document.querySelector("script[data-botect-sdk]");
  if (tag) start({ siteKey: tag.dataset.siteKey, endpoint: tag.dataset.endpoint, script: tag.src });
});
