"use strict";

const { invalid } = require("./error.js");
const { Guard } = require("./guard.js");
const node = require("./node_request.js");
const { answerOf, passed, requestOf } = require("./web_request.js");

/** Middleware for Hono; on Node it sees the request as it was sent. */
function detectAgents({ peer, app, ...options } = {}) {
  const guard = new Guard(options);
  const rewritten = new WeakMap();
  return async (context, next) => {
    const earlier = rewritten.get(context.req.raw);
    if (earlier !== undefined) {
      context.set("quivive", earlier);
      return next();
    }
    const { incoming } = context.env ?? {};
    const request =
      incoming === undefined ? requestOf(context.req.raw, peer?.(context)) : node.requestOf(incoming);
    const course = await guard.check(request);
    if (course.response !== null) {
      return answerOf(course);
    }
    const canRewrite = course.rewrite !== null && app !== undefined;
    const changed = passed(context.req.raw, canRewrite ? course : { ...course, rewrite: null });
    if (canRewrite) {
      // The route is found before the middleware: it is looked for once more.
      rewritten.set(changed, course.outcome);
      context.res = await app.fetch(changed, context.env, executionOf(context));
    } else {
      if (course.rewrite !== null) {
        guard.fail(invalid("a rewrite needs the option `app`; the request went on as it came"));
      }
      context.req.raw = changed;
      context.set("quivive", course.outcome);
      await next();
    }
    for (const [name, value] of course.setHeaders) {
      context.header(name, value, { append: true });
    }
    return undefined;
  };
}

module.exports = { detectAgents };

function executionOf(context) {
  try {
    return context.executionCtx;
  } catch {
    return undefined;
  }
}
