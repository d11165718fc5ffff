// A shop that knows which of its visitors are agents: keeps one of them out, and tells its pages about the others.

import express from "express";
import { detectAgents } from "quivive/express";

const app = express();
app.use(
  detectAgents({
    blockedAgents: ["GPTBot"],
    skipPaths: ["/health"],
    sessionTracking: { enabled: true, encryptionKey: process.env.SESSION_KEY },
    // Keys of agents that sign their requests are fetched when one comes.
    keyDirectories: true,
    onBlock: ({ client_ip, decision }) => console.log("kept out:", client_ip, decision.reason),
  }),
);
app.get("/health", (_, response) => response.send("well"));
app.get("/prices", ({ quivive }, response) => {
  const { bot_type, confidence } = quivive?.classification ?? {};
  response.json({ coffee: 12, you: { bot_type, confidence } });
});

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${server.address().port}`),
);
