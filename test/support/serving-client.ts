// A client that asks a service again and again while something is done to it, and remembers every answer that was not good.
import { setTimeout as delay } from "node:timers/promises";

export interface Served {
  readonly asked: number;
  /** What went wrong, one line each. */
  readonly failures: readonly string[];
}

/** Each request opens a connection of its own, has a minute and is never repeated. */
export async function whileServing(url: string, work: () => Promise<void>): Promise<Served> {
  const over = new AbortController();
  const failures: string[] = [];
  let asked = 0;
  const ask = async (): Promise<void> => {
    while (!over.signal.aborted) {
      asked += 1;
      try {
        const response = await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(60_000) });
        await response.text();
        if (response.status !== 200) failures.push(`status ${response.status}`);
      } catch (error) {
        const cause = error instanceof Error ? error.cause : undefined;
        failures.push(cause instanceof Error ? cause.message : String(error));
      }
      await delay(20);
    }
  };
  const asking = ask();
  try {
    await work();
  } finally {
    over.abort();
    await asking;
  }
  return { asked, failures };
}
