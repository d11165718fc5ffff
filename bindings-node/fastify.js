"use strict";

const { Guard } = require("./guard.js");
const { addHeaders, answer, change, requestOf } = require("./node_request.js");

/** A plugin for Fastify, which holds for all routes of the instance that it is registered with. */
async function detectAgents(fastify, options) {
  const guard = new Guard(options);
  const rewritten = new WeakMap();
  fastify.decorateRequest("quivive", null);
  fastify.addHook("onRequest", async (request, reply) => {
    const earlier = rewritten.get(request.raw);
    if (earlier !== undefined) {
      request.quivive = earlier;
      return undefined;
    }
    const course = await guard.check(requestOf(request.raw));
    if (course.response !== null) {
      // Fastify would add to the content type.
      reply.hijack();
      answer(reply.raw, course);
      return reply;
    }
    change(request.raw, course);
    addHeaders(reply.raw, course.setHeaders);
    request.quivive = course.outcome;
    if (course.rewrite === null) {
      return undefined;
    }
    // The route is found before this hook: it is looked for once more.
    rewritten.set(request.raw, course.outcome);
    reply.hijack();
    fastify.routing(request.raw, reply.raw);
    return reply;
  });
}

// As the package `fastify-plugin` does it: the hook is not for the plugin's own routes alone.
detectAgents[Symbol.for("skip-override")] = true;
detectAgents[Symbol.for("fastify.display-name")] = "quivive";

module.exports = { detectAgents };
