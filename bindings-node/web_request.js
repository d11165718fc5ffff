"use strict";

/** What the guard is told about a request of the Fetch API, which does not show who is connected. */
function requestOf(request, peer) {
  const url = new URL(request.url);
  return {
    method: request.method,
    target: url.pathname + url.search,
    scheme: url.protocol.slice(0, -1),
    authority: request.headers.has("host") ? undefined : url.host,
    headers: [...request.headers],
    peer,
  };
}

/** The headers that the site gets. */
function headersOf(request, { remove, set }) {
  const headers = new Headers(request.headers);
  for (const name of remove) {
    headers.delete(name);
  }
  for (const [name, value] of set) {
    headers.set(name, value);
  }
  return headers;
}

/** The request that the site gets. */
function passed(request, course) {
  const changed = new Request(request, { headers: headersOf(request, course) });
  return course.rewrite === null ? changed : new Request(new URL(course.rewrite, request.url), changed);
}

/** The answer in the site's place. */
function answerOf({ response: { status, headers, body }, setHeaders }) {
  return withHeaders(new Response(body, { status, headers }), setHeaders);
}

/** The response with further headers. */
function withHeaders(response, lines) {
  if (lines.length === 0 || response.status < 200) {
    return response;
  }
  const changed = new Response(response.body, response);
  for (const [name, value] of lines) {
    changed.headers.append(name, value);
  }
  return changed;
}

module.exports = { answerOf, headersOf, passed, requestOf, withHeaders };
