"use strict";

/** What the guard is told about a request of Node's own server. */
function requestOf(request) {
  const isHttp1 = request.httpVersionMajor === 1;
  const headers = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    // HTTP/2 has parts of the request line among the headers.
    if (!request.rawHeaders[at].startsWith(":")) {
      headers.push([request.rawHeaders[at], request.rawHeaders[at + 1]]);
    }
  }
  return {
    method: request.method,
    target: request.originalUrl ?? request.url,
    scheme: request.socket.encrypted ? "https" : "http",
    authority: request.headers[":authority"],
    headers,
    is_as_sent: isHttp1,
    peer: request.socket.remoteAddress,
  };
}

/** Makes a request the one that the site gets. */
function change(request, { outcome, rewrite, remove, set }) {
  const { headers, rawHeaders } = request;
  const lines = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!remove.has(rawHeaders[at].toLowerCase())) {
      lines.push(rawHeaders[at], rawHeaders[at + 1]);
    }
  }
  for (const name of remove) {
    delete headers[name];
  }
  for (const [name, value] of set) {
    headers[name.toLowerCase()] = value;
    lines.push(name, value);
  }
  rawHeaders.length = 0;
  for (const line of lines) {
    rawHeaders.push(line);
  }
  request.quivive = outcome;
  if (rewrite !== null) {
    request.url = rewrite;
  }
}

/** Adds headers to a response when its head is written, whatever the site sets until then. */
function addHeaders(response, lines) {
  if (lines.length === 0) {
    return;
  }
  const { writeHead } = response;
  response.writeHead = function (status, ...rest) {
    response.writeHead = writeHead;
    const given = rest.at(-1);
    const own = typeof given === "object" && given !== null ? pairsOf(given) : [];
    for (const name of new Set(own.map(([name]) => name.toLowerCase()))) {
      response.removeHeader(name);
    }
    for (const [name, value] of [...own, ...lines]) {
      append(response, name, value);
    }
    return writeHead.call(response, status, ...rest.filter((part) => typeof part === "string"));
  };
}

/** Answers in the site's place. */
function answer(response, course) {
  response.statusCode = course.response.status;
  for (const [name, value] of [...course.response.headers, ...course.setHeaders]) {
    append(response, name, value);
  }
  response.end(course.response.body);
}

module.exports = { addHeaders, answer, change, requestOf };

function append(response, name, value) {
  const known = response.getHeader(name);
  response.setHeader(name, known === undefined ? value : [known, value].flat());
}

/** The header lines in any form that `writeHead` takes. */
function pairsOf(headers) {
  if (!Array.isArray(headers)) {
    return Object.entries(headers).filter(([, value]) => value !== undefined);
  }
  if (headers.every(Array.isArray)) {
    return headers;
  }
  return headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : []));
}
