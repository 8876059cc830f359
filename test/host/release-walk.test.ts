// A whole release over real sessions: signed, built, switched with a real service, confirmed over a new connection, committed.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { freePort } from "../support/host-parts.ts";
import { type Answer, makeOffer, type TestHost, withHost } from "../support/host-session.ts";
import { shells } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const service = readFileSync(new URL("../support/fixtures/upgrading-service.cjs", import.meta.url), "utf8");
const fact = (probe: Answer, key: string): string | undefined => probe.data.find(([name]) => name === key)?.[1];

/** Sends one version and runs its steps up to health; which tasks ended how. */
async function release(host: TestHost, version: string, { port, run }: { port: number; run: string }) {
  const session = await host.session({ run });
  const contract = {
    manager: "process",
    "switch.strategy": "exec",
    "switch.start": "server.cjs",
    "switch.ready-seconds": "10",
    "switch.stop-seconds": "5",
    "env.0": `PORT=${port}`,
    "health.0.kind": "http",
    "health.0.url": `http://self:${port}/`,
    "health.0.samples": "3",
    "health.0.max-failures": "0",
    "health.0.interval-ms": "1",
    "health.0.within-seconds": "10",
    "backup.0": `${host.base}/data`,
    "needs.port.0": `${port}`,
  };
  const entries = [
    { path: "behaviour.json", content: JSON.stringify({ version }) },
    { path: "server.cjs", content: `#!${process.execPath}\n${service}`, mode: 0o755 },
  ];
  const offer = makeOffer(host, {
    version,
    sequence: Number(version.slice(1)),
    entries,
    release: contract,
    envelope: { run },
  });
  const offered = await host.offer(session, offer);
  assert.equal(offered.code, 0, `${offered.reason} ${offered.evidence}`);
  await host.put(session, offer.payload);
  const groups = [
    [host.task("build", version)],
    [host.task("check", version)],
    [host.task("backup", version)],
    [host.task("switch", version)],
    [host.task("health", version)],
  ];
  const events = await host.run(session, "go", groups, run);
  await session.end();
  return events
    .filter(({ event }) => event.state !== "running")
    .map(
      ({ event }) =>
        `${event.task.split("/")[2]} ${event.state}${event.state === "done" ? "" : ` ${event.reason} ${event.evidence}`}`,
    );
}
const allDone = ["build done", "check done", "backup done", "switch done", "health done"];

describe("a release over real sessions", { concurrency: 3 }, () => {
  for (const shell of shells) {
    test(`${shell.name}: a release goes through; the next one that nobody confirms goes back, and the probe says why`, () =>
      withHost(shell, {}, async (host) => {
        const port = await freePort();
        assert.deepEqual(await release(host, "v1", { port, run: "run-1" }), allDone);
        const second = await host.session({ run: "run-1" });
        const ended = await host.run(second, "end", [[host.task("confirm", "v1")], [host.task("commit", "v1")]]);
        assert.deepEqual(
          ended.filter(({ event }) => event.state === "failed"),
          [],
        );
        assert.deepEqual(await release(host, "v2", { port, run: "run-2" }), allDone);
        const onTrial = await second.request("probe");
        assert.deepEqual(
          ["state", "current", "committed", "trial-from", "active"].map((key) => fact(onTrial, `component.web.${key}`)),
          ["trial", "v2", "v1", "v1", "yes"],
        );
        await deadlineComes(host);
        await until(
          "the way back",
          10_000,
          async () => fact(await second.request("probe"), "component.web.state") === "reverted",
        );
        const after = await second.request("probe");
        assert.deepEqual(
          ["current", "trial-reason", "active"].map((key) => fact(after, `component.web.${key}`)),
          ["v1", "deadline", "yes"],
        );
        assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "v1\n");
        await second.end();
        process.kill(Number(fact(after, "component.web.pid")), "SIGTERM");
      }));
  }
});
