"use strict";

const { Guard } = require("./guard.js");
const { answerOf, passed, requestOf, withHeaders } = require("./web_request.js");

const outcomes = new WeakMap();

/** Puts the guard in front of a handler that takes a `Request` and gives a `Response`. */
function detectAgents(handler, { peer, ...options } = {}) {
  const guard = new Guard(options);
  return async (request, ...more) => {
    const course = await guard.check(requestOf(request, peer?.(request, ...more)));
    if (course.response !== null) {
      return answerOf(course);
    }
    const changed = passed(request, course);
    outcomes.set(changed, course.outcome);
    return withHeaders(await handler(changed, ...more), course.setHeaders);
  };
}

/** What was found out about a request that the handler got; nothing for any other. */
function outcomeOf(request) {
  return outcomes.get(request) ?? null;
}

module.exports = { detectAgents, outcomeOf };
