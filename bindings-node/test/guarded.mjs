// Sites made with each framework, with the guard in front; every page tells what it was given and sets a cookie.

import { once } from "node:events";
import { createServer, request } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { NextRequest } from "next/server.js";
import * as guardedExpress from "quivive/express";
import * as guardedFastify from "quivive/fastify";
import * as guardedFetch from "quivive/fetch";
import * as guardedHono from "quivive/hono";
import * as guardedNext from "quivive/next";

export const GPTBOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)";
export const PERSON = [
  [
    "User-Agent",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  ],
  ["Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
  ["Accept-Language", "en-GB,en;q=0.9"],
  ["Accept-Encoding", "gzip, deflate, br"],
  ["Sec-Fetch-Site", "none"],
  ["Sec-Fetch-Mode", "navigate"],
  ["Sec-Fetch-Dest", "document"],
  ["Sec-CH-UA", '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"'],
  ["Sec-CH-UA-Platform", '"Windows"'],
];

/** Gives, for each framework, what starts a site whose guard has the given options, until the test ends. */
export const SITES = {
  express: async (test, options) => {
    const app = express();
    app.use(guardedExpress.detectAgents(options));
    app.use(async (incoming, response) => {
      const lines = pairs(incoming.rawHeaders);
      response.cookie("site", "1").json(told(incoming.url, lines, incoming.quivive, await text(incoming)));
    });
    return listening(test, createServer(app));
  },

  fastify: async (test, options) => {
    const app = fastify();
    test.after(() => app.close());
    app.register(guardedFastify.detectAgents, options);
    app.all("/*", async (incoming, reply) => {
      reply.header("Set-Cookie", "site=1");
      const body = incoming.body === undefined ? "" : JSON.stringify(incoming.body);
      return told(incoming.raw.url, Object.entries(incoming.headers), incoming.quivive, body);
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return app.server.address().port;
  },

  hono: async (test, options) => {
    const app = new Hono();
    app.use(guardedHono.detectAgents({ ...options, app }));
    app.all("*", async (context) => {
      const lines = Object.entries(context.req.header());
      const body = told(context.req.url, lines, context.get("quivive"), await context.req.text());
      context.header("Set-Cookie", "site=1");
      return context.json(body);
    });
    return listening(test, createAdaptorServer({ fetch: app.fetch }));
  },

  fetch: async (test, options) => {
    const page = async (incoming) => {
      const body = told(incoming.url, [...incoming.headers], guardedFetch.outcomeOf(incoming), await incoming.text());
      return Response.json(body, { headers: { "Set-Cookie": "site=1" } });
    };
    const peer = (_, incoming) => incoming.socket.remoteAddress;
    const handler = guardedFetch.detectAgents(page, { ...options, peer });
    const server = createServer(async (incoming, response) => {
      await write(await handler(webRequest(Request, incoming), incoming), response);
    });
    return listening(test, server);
  },

  next: async (test, options) => {
    const noted = [];
    const peers = new WeakMap();
    const peer = (given) => peers.get(given);
    const proxy = guardedNext.detectAgents({ ...options, peer, onResult: (outcome) => noted.push(outcome) });
    const server = createServer(async (incoming, response) => {
      const given = webRequest(NextRequest, incoming);
      peers.set(given, incoming.socket.remoteAddress);
      const answer = await proxy(given);
      await write(await asNextDoes(given, answer, noted), response);
    });
    return listening(test, server);
  },
};

/** What Next.js makes of the answer of its proxy: the page, with the headers that the answer names. */
async function asNextDoes(given, answer, noted) {
  const to = answer.headers.get("x-middleware-rewrite");
  if (answer.headers.get("x-middleware-next") !== "1" && to === null) {
    return answer;
  }
  const names = answer.headers.get("x-middleware-override-headers").split(",");
  const lines = names.map((name) => [name, answer.headers.get(`x-middleware-request-${name}`)]);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const page = Response.json(told(to ?? given.url, lines, noted.at(-1) ?? null, await given.text()));
  for (const cookie of [...answer.headers.getSetCookie(), "site=1"]) {
    page.headers.append("Set-Cookie", cookie);
  }
  return page;
}

/** Asks a site; header lines go out as they are given. */
export async function ask(port, path = "/", { headers = [], method = "GET", body } = {}) {
  const defaults = [
    ["Host", `127.0.0.1:${port}`],
    ["User-Agent", GPTBOT],
  ];
  const lines = [...defaults.filter(([name]) => !headers.some(([given]) => given === name)), ...headers];
  const asked = request({ host: "127.0.0.1", port, path, method, headers: lines.flat(), setHost: false, agent: false });
  asked.end(body);
  const [response] = await once(asked, "response");
  const content = await text(response);
  return {
    status: response.statusCode,
    headers: response.headers,
    cookies: response.headers["set-cookie"] ?? [],
    content,
    json: () => JSON.parse(content),
  };
}

function told(url, lines, outcome, body) {
  const { pathname, search } = new URL(url, "http://shop.example");
  const marks = {};
  for (const [name, value] of lines) {
    const spelt = name.toLowerCase().replaceAll("_", "-");
    if (spelt.includes("agentshield")) {
      marks[spelt] = spelt in marks ? `${marks[spelt]}, ${value}` : value;
    }
  }
  return { path: decodeURIComponent(pathname), query: search.slice(1), marks, outcome, body };
}

function pairs(rawHeaders) {
  return rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1]]] : []));
}

function webRequest(Type, incoming) {
  const hasBody = !["GET", "HEAD"].includes(incoming.method);
  return new Type(new URL(incoming.url, `http://${incoming.headers.host}`), {
    method: incoming.method,
    headers: pairs(incoming.rawHeaders),
    ...(hasBody && { body: Readable.toWeb(incoming), duplex: "half" }),
  });
}

async function write(answer, response) {
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) {
    response.appendHeader(name, value);
  }
  response.end(Buffer.from(await answer.arrayBuffer()));
}

async function listening(test, server) {
  if (!server.listening) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}
