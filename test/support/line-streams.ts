// Clients whose connections must outlive a takeover: each sends numbered lines all the time, and looks at every answer: `N COUNT`, both
// counting up by one. Requests go out in pieces, and answers pile up unread for a while, so that a takeover finds lines half read and answers unsent.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface LineStreams {
  /** Answers so far, over all streams. */
  answers(): number;
  /** Everything sent is answered; throws what went wrong on any stream. Ends them. */
  settle(): Promise<number>;
  /** What went wrong so far, a line a stream. */
  broken(): readonly string[];
  end(): void;
}

interface Stream {
  readonly socket: Socket;
  sent: number;
  heard: number;
  rest: string;
  problem: string | undefined;
  ending: boolean;
}

/** Opens the streams and keeps them busy until `settle` or `end`. */
export async function openLineStreams(port: number, count: number): Promise<LineStreams> {
  const streams = await Promise.all(Array.from({ length: count }, () => openStream(port)));
  let going = true;
  const writing = streams.map(async (stream, index) => {
    await delay(index % 50);
    while (going && stream.problem === undefined) {
      const line = `${++stream.sent}\n`;
      // Every third line in two pieces: what a takeover finds half read must be kept.
      if (index % 3 === 0) {
        stream.socket.write(line.slice(0, -1));
        await delay(15);
        stream.socket.write("\n");
      } else stream.socket.write(line);
      if (stream.sent % 40 === index % 40) {
        stream.socket.pause();
        await delay(60);
        stream.socket.resume();
      }
      await delay(count > 100 ? 50 : 5);
    }
  });
  const end = (): void => {
    going = false;
    for (const stream of streams) {
      stream.ending = true;
      stream.socket.destroy();
    }
  };
  return {
    answers: () => streams.reduce((sum, { heard }) => sum + heard, 0),
    broken: () => streams.flatMap(({ problem }) => problem ?? []),
    end,
    async settle() {
      going = false;
      await Promise.all(writing);
      for (
        let round = 0;
        round < 3000 && streams.some((each) => each.problem === undefined && each.heard < each.sent);
        round++
      )
        await delay(20);
      const problems = streams.flatMap(({ problem, heard, sent }, index) =>
        problem !== undefined || heard < sent ? [`stream ${index}: ${problem ?? `${heard} of ${sent} answered`}`] : [],
      );
      end();
      assert.deepEqual(problems, []);
      return streams.reduce((sum, { heard }) => sum + heard, 0);
    },
  };
}

/** Keeps that many streams busy while `body` runs; throws what went wrong on any of them. */
export async function underStreams(
  port: number,
  count: number,
  body: (streams: LineStreams) => Promise<void>,
): Promise<void> {
  const streams = await openLineStreams(port, count);
  try {
    await body(streams);
    await streams.settle();
  } finally {
    streams.end();
  }
}

function openStream(port: number): Promise<Stream> {
  return new Promise((done, failed) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    const stream: Stream = { socket, sent: 0, heard: 0, rest: "", problem: undefined, ending: false };
    const broke = (why: string): void => {
      if (!stream.ending) stream.problem ??= why;
    };
    socket.setEncoding("latin1");
    socket.on("error", (error) => {
      broke(error.message);
      failed(error);
    });
    socket.on("close", () => broke(`closed after ${stream.heard} of ${stream.sent} answers`));
    socket.on("data", (text: string) => {
      const lines = (stream.rest + text).split("\n");
      stream.rest = lines.pop() ?? "";
      for (const line of lines) {
        stream.heard += 1;
        if (line !== `${stream.heard} ${stream.heard}`) broke(`answer ${stream.heard} is ${JSON.stringify(line)}`);
      }
    });
    socket.on("connect", () => done(stream));
  });
}
