"use strict";

const { Guard } = require("./guard.js");
const { addHeaders, answer, change, requestOf } = require("./node_request.js");

/** Middleware for Express, Connect and whatever else takes `(request, response, next)`. */
function detectAgents(options) {
  const guard = new Guard(options);
  return (request, response, next) => {
    const serve = (course) => {
      if (course.response !== null) {
        answer(response, course);
        return;
      }
      change(request, course);
      addHeaders(response, course.setHeaders);
      next();
    };
    const course = guard.check(requestOf(request));
    if (course instanceof Promise) {
      course.then(serve).catch(next);
    } else {
      serve(course);
    }
  };
}

module.exports = { detectAgents };
