/* Sending: one batch at a time, so that events arrive in the order in which they happened. */

import { currentSession, isToken, keepToken, mintToken, randomId } from "./session.mjs";

const RETRY_SECONDS = [2, 8];
/** Answers after which this page has nothing more to say. */
const FINAL_STATUSES = [401, 402, 403, 404, 409];
const REFUSED_CONTENT = 422;
const BATCH_EVENTS = 100;
const BATCH_BYTES = 60000;

let options;
let queue = [];
/** The batch that is on its way: at the page's end nobody knows whether it arrived. */
let underway = [];
let isSending = false;
let isStopped = false;
let isMotionRefused = false;

export const configure = (siteKey, endpoint) => {
  options = { siteKey, endpoint };
};

/** Whether the server wants no more of this page. */
export const hasStopped = () => isStopped;

export const add = (type, payload) => {
  if (isStopped) return;
  queue.push(withoutRefused({ request_id: randomId(), type, received_at: new Date().toISOString(), payload }));
  if (queue.length > BATCH_EVENTS) queue.shift();
};

/** Sends what is queued, batch by batch. */
export const pump = async () => {
  if (isSending) return;
  isSending = true;
  while (queue.length > 0 && !isStopped) {
    underway = takeBatch();
    await deliver(underway).catch(() => undefined);
    underway = [];
  }
  isSending = false;
};

/**
 * Sends what the page must not lose if it ends now: no waiting, no second try. The batch that is on its way goes
 * again; its events have ids by which the server knows them. Another origin gets `text/plain` without further
 * headers, since a preflight would come too late; a first-party route may insist on JSON and needs no preflight.
 */
export const sendLast = () => {
  queue.unshift(...underway);
  underway = [];
  if (isStopped || queue.length === 0) return;
  if (currentSession() === null) keepToken(mintToken());
  const type = new URL(options.endpoint).origin === location.origin ? "application/json" : "text/plain";
  const events = takeBatch();
  const text = body(events);
  if (!("keepalive" in Request.prototype)) {
    navigator.sendBeacon(options.endpoint, new Blob([text], { type }));
    return;
  }
  const request = { method: "POST", keepalive: true, credentials: "same-origin", headers: { "content-type": type }, body: text };
  const token = currentSession();
  // A page that was only hidden sends what was not taken with its next batch.
  const keep = () => queue.unshift(...events.map(withoutRefused));
  fetch(options.endpoint, request).then((answer) => {
    if (answer.status >= 500 || refusesMotion(answer, events)) keep();
    else return settle(answer, token);
  }).catch(keep);
};

const body = (events) => JSON.stringify({ session_token: currentSession(), site_key: options.siteKey, events });

const takeBatch = () => {
  let count = Math.min(queue.length, BATCH_EVENTS);
  while (count > 1 && body(queue.slice(0, count)).length > BATCH_BYTES) count -= 1;
  return queue.splice(0, count);
};

const deliver = async (events) => {
  let key = randomId();
  let batch = events;
  for (const delay of [...RETRY_SECONDS, null]) {
    const token = currentSession();
    let answer = await post(batch, key).catch(() => null);
    if (answer && refusesMotion(answer, batch)) {
      batch = batch.map(withoutRefused);
      key = randomId();
      answer = await post(batch, key).catch(() => null);
    }
    if (answer && answer.status < 500) {
      await settle(answer, token);
      return;
    }
    if (delay !== null) await pause(delay);
  }
};

const post = (events, key) =>
  fetch(options.endpoint, {
    method: "POST",
    credentials: "same-origin",
    headers: { "content-type": "application/json", "idempotency-key": key, "x-botect-site-key": options.siteKey },
    body: body(events),
  });

/** Takes the answer to what was sent under `token`; a token that changed since is newer than the answer. */
const settle = async (answer, token) => {
  if (FINAL_STATUSES.includes(answer.status)) {
    isStopped = true;
    queue = [];
  }
  if (!answer.ok) return;
  const reply = await answer.json().catch(() => null);
  if (isToken(reply?.session_token) && currentSession() === token) keepToken(reply.session_token);
};

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** An endpoint may be older than the features: what it refused goes once more without them, as does all that follows. */
const refusesMotion = (answer, events) => {
  if (answer.status !== REFUSED_CONTENT || !events.some(hasMotion)) return false;
  isMotionRefused = true;
  queue = queue.map(withoutRefused);
  return true;
};

const hasMotion = ({ payload }) => "motion_version" in payload;

const withoutRefused = (event) => {
  if (!isMotionRefused || !hasMotion(event)) return event;
  const kept = Object.entries(event.payload).filter(([name]) => !name.startsWith("motion_"));
  return { ...event, payload: Object.fromEntries(kept) };
};
