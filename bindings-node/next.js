"use strict";

const { NextResponse } = require("next/server");

const { Guard } = require("./guard.js");
const { answerOf, headersOf, requestOf } = require("./web_request.js");

/** The function that Next.js calls before each request: its `proxy`, earlier called middleware, on Node. */
function detectAgents({ peer, ...options } = {}) {
  const guard = new Guard(options);
  return async (request) => {
    const course = await guard.check(requestOf(request, peer?.(request)));
    if (course.response !== null) {
      return answerOf(course);
    }
    const changed = { request: { headers: headersOf(request, course) } };
    const response =
      course.rewrite === null
        ? NextResponse.next(changed)
        : NextResponse.rewrite(new URL(course.rewrite, request.url), changed);
    for (const [name, value] of course.setHeaders) {
      response.headers.append(name, value);
    }
    return response;
  };
}

module.exports = { detectAgents };
