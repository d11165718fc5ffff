// A mail server that keeps what it gets.

import { SMTPServer } from "smtp-server";

import { waitFor } from "./service.mjs";

/** Listens on a free port; `next(to, pattern)` waits for a mail to that address and returns what the pattern finds. */
export async function startMailbox() {
  const mails = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    onData(stream, { envelope }, done) {
      let text = "";
      stream.setEncoding("utf8");
      stream.on("data", (part) => (text += part));
      stream.on("end", () => {
        mails.push({ to: envelope.rcptTo.map(({ address }) => address), text: text.replaceAll("=\r\n", "") });
        done();
      });
    },
  });
  await new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const next = async (to, pattern) => {
    const isWanted = (mail) => mail.to.includes(to) && pattern.test(mail.text);
    const mail = await waitFor(() => mails.find(isWanted), `a mail to ${to}`);
    mails.splice(mails.indexOf(mail), 1);
    return mail.text.match(pattern)[0];
  };
  const stop = () => new Promise((resolve) => server.close(resolve));
  return { url: `smtp://127.0.0.1:${server.server.address().port}`, mails, next, stop };
}
