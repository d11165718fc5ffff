// Reports what happens on a page to the server that this script comes from. The server puts the pixel's settings in
// place of SETTINGS. No cookies; the id of the visit lives in the tab's session storage.

(function (settings) {
  "use strict";

  const MOST_WAITING = 1000;
  const MOST_IN_BATCH = 100;
  // What browsers let a page leave behind when it is closed.
  const MOST_BYTES_AT_END = 60_000;
  const MOST_TRIES = 5;
  const LONGEST_PAUSE_MS = 60_000;
  const STORE = "quivive.pixel";

  const script = document.currentScript;
  const base = settings.endpoint?.replace(/\/*$/, "/") ?? (script?.src ? new URL(".", script.src).href : undefined);
  const log = (...words) => settings.debug && console.debug("quivive pixel:", ...words);

  const asksNotToBeTracked = navigator.doNotTrack === "1" || window.doNotTrack === "1" || navigator.globalPrivacyControl === true;
  const isOff = !settings.enabled || !base || (settings.respectDoNotTrack && asksNotToBeTracked);

  let waiting = [];
  let sending = false;
  let tries = 0;
  let timer;
  let visit;
  let interactions = 0;
  let visibleMs = 0;
  let visibleSince = document.visibilityState === "visible" ? performance.now() : undefined;

  /** Notes an event; it is sent with the next batch. */
  function track(name, metadata) {
    if (isOff || isSkipped(location.pathname) || !/^https?:$/.test(location.protocol)) return;
    const event = { id: randomId(), event: String(name), url: location.href, timestamp: Date.now(), sessionId: session() };
    if (document.referrer) event.referrer = document.referrer;
    if (metadata !== undefined) event.metadata = metadata;
    waiting.push(event);
    if (waiting.length > MOST_WAITING) waiting.shift();
    log("noted", event);
    if (waiting.length >= settings.batchSize && tries === 0) flush();
    else schedule(settings.flushInterval);
  }

  /** Sends what waits. */
  async function flush() {
    clearTimeout(timer);
    timer = undefined;
    if (sending || waiting.length === 0) return;
    sending = true;
    const events = waiting.slice(0, MOST_IN_BATCH);
    const status = await post(bodyOf(events)).catch(() => 0);
    sending = false;
    log("sent", events.length, "events:", status || "no answer");
    if ((status === 0 || status === 429 || status >= 500) && tries < MOST_TRIES) {
      // Their ids make sure that what did arrive is not counted twice.
      tries += 1;
      schedule(Math.min(settings.flushInterval * 2 ** tries, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2));
      return;
    }
    tries = 0;
    waiting = waiting.filter((event) => !events.includes(event));
    if (waiting.length > 0) schedule(settings.flushInterval);
  }

  /** Hands what waits to the browser, which sends it though the page is gone. */
  function leave() {
    clearTimeout(timer);
    timer = undefined;
    while (waiting.length > 0) {
      let count = Math.min(waiting.length, MOST_IN_BATCH);
      let body = bodyOf(waiting.slice(0, count));
      while (count > 1 && byteLength(body) > MOST_BYTES_AT_END) {
        count = Math.ceil(count / 2);
        body = bodyOf(waiting.slice(0, count));
      }
      waiting = waiting.slice(count);
      post(body, true).catch(() => navigator.sendBeacon?.(`${base}batch`, body));
    }
  }

  // A text without headers of our own needs no preflight, which would come too late at the end of a page.
  async function post(body, keepalive = false) {
    const answer = await fetch(`${base}batch`, { method: "POST", body, keepalive, credentials: "omit", cache: "no-store" });
    return answer.status;
  }

  function bodyOf(events) {
    const last = events.at(-1);
    const described = settings.enableFingerprinting ? [...events.slice(0, -1), { ...last, client: client() }] : events;
    return JSON.stringify({ pixelId: settings.pixelId, events: described });
  }

  function client() {
    const shown = visibleSince === undefined ? 0 : performance.now() - visibleSince;
    return { webdriver: navigator.webdriver === true, visibleMs: Math.round(visibleMs + shown), interactions };
  }

  function schedule(pause) {
    timer ??= setTimeout(flush, pause);
  }

  /** The id of this visit; a new one after a long time without an event. */
  function session() {
    const now = Date.now();
    try {
      visit = JSON.parse(sessionStorage.getItem(STORE)) ?? visit;
    } catch {
      // Without storage the id lives as long as the page.
    }
    const goesOn = visit && typeof visit.id === "string" && now - visit.at < settings.sessionTimeout;
    visit = { id: goesOn ? visit.id : randomId(), at: now };
    try {
      sessionStorage.setItem(STORE, JSON.stringify(visit));
    } catch {
      // As above.
    }
    return visit.id;
  }

  /** `*` is any run without a slash, `**` any run; a plain prefix ends where a segment does. */
  function isSkipped(path) {
    return settings.skipPaths.some((pattern) => {
      const parts = pattern.split(/(\*+)/).map((part) => {
        if (part.startsWith("**")) return ".*";
        return part === "*" ? "[^/]*" : part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
      });
      const rest = pattern.endsWith("/") ? ".*" : "(/.*)?";
      return new RegExp(`^${parts.join("")}${pattern.includes("*") ? "" : rest}$`).test(path);
    });
  }

  function randomId() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function byteLength(text) {
    return new TextEncoder().encode(text).length;
  }

  function begin() {
    track("page_view");
    for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
      addEventListener(kind, (event) => { if (event.isTrusted) interactions += 1; }, { capture: true, passive: true });
    }
    addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") {
        visibleSince = performance.now();
        return;
      }
      if (visibleSince !== undefined) visibleMs += performance.now() - visibleSince;
      visibleSince = undefined;
      leave();
    });
    addEventListener("pagehide", leave);
    // A page that comes back from the browser's memory is seen again.
    addEventListener("pageshow", (event) => { if (event.persisted) track("page_view"); });
  }

  window.quivivePixel = { track, flush };
  if (isOff) log("off");
  else if (document.prerendering) document.addEventListener("prerenderingchange", begin, { once: true });
  else begin();
})(SETTINGS);
