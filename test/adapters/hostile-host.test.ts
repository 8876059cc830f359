// What a host can do to the controller by talking: nothing beyond its own outcome (T6, T26). The far side is a real SSH server.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { TaskEvent } from "../../src/model/task.ts";
import type { Fence } from "../../src/ports.ts";
import { type Asked, honestly, probeLines, withHostileHosts } from "../support/hostile-host.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";

const fence: Fence = { run: "run-1", epoch: 1, holder: "tester" };
const event = (sequence: number, evidence = "-") => [
  "+",
  `${sequence}`,
  "host-1/web/switch",
  "do",
  "running",
  "0",
  "0",
  "started",
  evidence,
];
const only = (verb: string, answer: (asked: Asked) => void) => (asked: Asked) =>
  asked.verb === verb ? answer(asked) : honestly(asked);

/** Who is given up for what it says has all the time to say it, on however busy a machine; the others are given up for their silence. */
const [ample, short] = [60_000, 3_000];

const talkers: Readonly<Record<string, readonly [RegExp, (asked: Asked) => void, answerMs?: number]>> = {
  "endless lines": [
    /over 20000 lines/,
    ({ channel, id, flood }) =>
      void flood(() =>
        channel.write(
          `${id}	+	tool.x	yes
`.repeat(500),
        ),
      ),
  ],
  "endless bytes in long lines": [
    /over 2097152 bytes/,
    ({ say, flood }) => void flood(() => say("+", "arch", "x".repeat(60_000))),
  ],
  "a gigabyte without a line break": [
    /a line over 64 KiB/,
    ({ channel, flood }) => void flood(() => channel.write(Buffer.alloc(65_536, "x"))),
  ],
  "a line now and then, for ever": [
    /the answer took too long/,
    ({ channel, say }) => {
      const timer = setInterval(() => say("+", "tool.x", "yes"), 20).unref();
      channel.once("close", () => clearInterval(timer));
    },
    short,
  ],
  "no answer at all": [/the answer took too long/, () => {}, short],
  "the answer of another request": [/a reply to request 77, expected/, ({ channel }) => channel.write("77\tok\t1\n")],
};

for (const [name, [evidence, answer, answerMs = ample]] of Object.entries(talkers))
  test(`a probe that is answered with ${name} ends in time and in little memory; another host is asked meanwhile (T6, T26)`, () =>
    withHostileHosts([{ answer: only("probe", answer) }, {}], { answerMs }, async (executor, [bad, good]) => {
      assert.ok(bad && good);
      const before = process.memoryUsage().rss;
      const started = performance.now();
      const [refused, fine] = await Promise.allSettled([executor.probe(bad), executor.probe(good)]);
      assert.equal(fine.status, "fulfilled");
      assert.ok(refused.status === "rejected");
      assert.equal(refused.reason.code, "host-unreachable");
      assert.match(refused.reason.evidence, evidence);
      assert.ok(performance.now() - started < ample / 2, `${performance.now() - started} ms`);
      assert.ok(process.memoryUsage().rss - before < 128 * 2 ** 20, "memory");
    }));

test("a host that lets us in and never opens the session is unreachable in time (T6)", () =>
  withHostileHosts([{ mute: true }, {}], { readyMs: short }, async (executor, [bad, good]) => {
    assert.ok(bad && good);
    const [refused, fine] = await Promise.allSettled([executor.probe(bad), executor.probe(good)]);
    assert.equal(fine.status, "fulfilled");
    assert.ok(refused.status === "rejected");
    assert.match(refused.reason.evidence, /no session within/);
  }));

test("a greeting that is none leaves no connection behind", () =>
  withHostileHosts([{ greeting: () => "hello\n" }], {}, async (executor, [bad]) => {
    assert.ok(bad);
    const sockets = openSockets();
    await assert.rejects(executor.probe(bad), { code: "host-unreachable" });
    await until("the socket to be closed", 20_000, async () => openSockets() <= sockets);
  }));

test("a line that nobody asked for ends the session, the next request has a new one", () =>
  withHostileHosts(
    [
      {
        answer(asked) {
          honestly(asked);
          asked.say("+", "tool.x", "yes");
        },
      },
    ],
    {},
    async (executor, [bad]) => {
      assert.ok(bad);
      assert.equal((await executor.probe(bad)).kind, "observed");
      const again = await executor.probe(bad).catch((error: { evidence: string }) => error.evidence);
      assert.match(String(again), /nobody asked for/);
      assert.equal((await executor.probe(bad)).kind, "observed");
    },
  ));

test("heartbeats do not extend the time of a step, however many there are (T6)", () =>
  withHostileHosts(
    [
      { answer: only("events", ({ say }) => void setInterval(() => say("+", "."), 20).unref()) },
      { answer: only("events", ({ say, flood }) => void flood(() => say("+", "."))) },
    ],
    { eventsMs: 600 },
    async (executor, hosts) => {
      const ends = hosts.map((host) => all(executor.events(host, "switch.1", fence)));
      const [slow, fast] = await Promise.allSettled(ends);
      assert.ok(slow?.status === "rejected" && fast?.status === "rejected");
      assert.match(slow.reason.evidence, /the answer took too long/);
      assert.match(fast.reason.evidence, /over 20001 lines|the answer took too long/);
    },
  ));

test("who stops listening early has the host's attention again at once, and a slow listener costs no memory (P6)", () => {
  let sequence = 0;
  return withHostileHosts(
    [
      {
        answer: only("events", ({ say, flood }) => {
          void flood(() => say(...event(++sequence, "e".repeat(8_000))));
        }),
      },
    ],
    {},
    async (executor, [host]) => {
      assert.ok(host);
      const before = process.memoryUsage().rss;
      for await (const { state } of executor.events(host, "switch.1", fence)) {
        assert.equal(state, "running");
        await new Promise((resolve) => setTimeout(resolve, 300)); // a slow journal: the host goes on writing all the while
        break;
      }
      await executor.submit(host, "way-back.1", [], fence);

      assert.ok(sequence < 3_000, `${sequence} events were read before it was over`);
      assert.ok(process.memoryUsage().rss - before < 64 * 2 ** 20, "memory");
    },
  );
});

test("terminal control characters in evidence are data, and evidence has a cap (T26)", () =>
  withHostileHosts(
    [
      {
        answer: only("events", ({ say }) => {
          say(...event(1, "%1B%5B31mred%1B%5D0;title%07".replace(";", "%3B")));
          say("ok", "1", "ended");
        }),
      },
      { answer: only("events", ({ say }) => say(...event(1, "x".repeat(16_385)))) },
    ],
    {},
    async (executor, [colourful, wordy]) => {
      assert.ok(colourful && wordy);
      const [first] = await all(executor.events(colourful, "switch.1", fence));
      assert.equal(first?.evidence, "\u001b[31mred\u001b]0;title\u0007");
      await assert.rejects(all(executor.events(wordy, "switch.1", fence)), {
        code: "host-unreachable",
        evidence: /evidence is missing or too long/,
      });
    },
  ));

test("a host that never closes its end does not keep the process: the socket is gone soon after close", () =>
  withHostileHosts([{ clings: true }], {}, async (executor, [host]) => {
    assert.ok(host);
    assert.equal((await executor.probe(host)).kind, "observed");
    const [sockets, started] = [openSockets(), performance.now()];
    await executor.close();
    await until("our end to be gone", 20_000, async () => openSockets() < sockets);
    assert.ok(performance.now() - started > 1_000, "it did cling");
  }));

test("a payload of ours that is gone or cut is our error and not the host's: it is said as such, and is tried again (F21)", () =>
  withTemporaryDirectory((directory) =>
    withHostileHosts([{ answer: needy }], {}, async (executor, [host]) => {
      assert.ok(host);
      const path = join(directory, "payload");
      const texts = { metadata: "m", signatures: "s", manifest: "f" };
      const release = { component: "web", version: "1", ...texts };
      const payload = {
        path,
        digest: `sha256:${"a".repeat(64)}`,
        bytes: 600_000,
        codec: "zstd",
        outputBytes: 1,
      } as const;
      const delivery = { ...release, release, envelope: "e", envelopeSignature: "s", payload };
      const send = () => executor.deliver(host, delivery, fence, () => {});
      await assert.rejects(send(), { code: "payload-missing", disposition: "retry", evidence: /ENOENT/ });
      await writeFile(path, Buffer.alloc(599_999));
      await assert.rejects(send(), { code: "payload-missing", disposition: "retry" });
      await writeFile(path, Buffer.alloc(600_000));
      await send();
    }),
  ));

/** Needs every payload, and takes it. */
function needy(asked: Asked): void {
  if (asked.verb === "offer") asked.say("ok", "1", "needed");
  else if (asked.verb === "have") asked.say("ok", "1", "0");
  else honestly(asked);
}

test("the honest host of these tests is one", () =>
  withHostileHosts([{}], {}, async (executor, [host]) => {
    assert.ok(host);
    const seen = await executor.probe(host);
    assert.ok(seen.kind === "observed");
    assert.equal(seen.facts.bootId, probeLines.find(([key]) => key === "boot-id")?.[1]);
  }));

async function all(events: AsyncIterable<TaskEvent>): Promise<TaskEvent[]> {
  const heard: TaskEvent[] = [];
  for await (const event of events) heard.push(event);
  return heard;
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}
