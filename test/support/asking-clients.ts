// Clients that ask a local HTTP service all the time and without a second try, while something happens to it.
import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { loadShare } from "./full-form.ts";

/** The trimmed body of a 200, or `failed …`. Every call makes a connection of its own. */
export function ask(port: number, path = "/", host = "127.0.0.1"): Promise<string> {
  return new Promise((done) => {
    const request = get({ host, port, path, agent: false, timeout: 30_000 }, (reply) => {
      let body = "";
      reply.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      reply.on("end", () => done(reply.statusCode === 200 ? body.trim() : `failed ${reply.statusCode}`));
      reply.on("error", (error) => done(`failed ${error.message}`));
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", (error) => done(`failed ${error.message}`));
  });
}

/** Between two questions of a client. They begin one after another, so together they ask every 20 ms, and at full load every 5. */
const pauseMs = 15 / loadShare;

/** Three clients ask all the time while `body` runs; what was answered, counted. */
export async function underLoad(
  port: number,
  body: () => Promise<void>,
  host?: string,
): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  let going = true;
  const client = async (place: number): Promise<void> => {
    await delay((place * pauseMs) / 3);
    while (going) {
      const answer = await ask(port, "/", host);
      answers[answer] = (answers[answer] ?? 0) + 1;
      await delay(pauseMs);
    }
  };
  const clients = [client(0), client(1), client(2)];
  try {
    await body();
  } finally {
    going = false;
    await Promise.all(clients);
  }
  return answers;
}

export const failures = (answers: Record<string, number>): string[] =>
  Object.keys(answers).filter((answer) => answer.startsWith("failed"));
