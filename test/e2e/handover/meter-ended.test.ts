// A meter that ends before the last switch: there is no grade over what it did not see, in the matrix and in `cutover grade`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { GradeReport, GradeRequest } from "../../../src/lab/grade/grade-component.ts";
import { switchUnderLoad } from "../../../src/lab/grade/switch-under-load.ts";
import { spawnMeter } from "../../../src/lab/meter/spawn-meter.ts";
import { buildWeb, webContract } from "../../support/balancer-parts.ts";
import { inFullForm, isFull } from "../../support/full-form.ts";
import { type MeasuredServer, withMeasuredServer } from "../../support/measured-server.ts";
import { until } from "../../support/until.ts";
import { loopbackSkip } from "../../support/with-lab.ts";
import type { Row } from "./row.ts";
import { runRow } from "./run-row.ts";

type GradePlace = Parameters<typeof switchUnderLoad>[1];

const bound = {
  code: "meter-ended",
  message: /The meter ended before the last switch/,
  evidence: /a bound of its own/,
};

function restartRow(maxRequests: number): Row {
  return {
    ...{ name: "plain-restart", of: "components/haproxy-pool", strategy: "restart", manager: "process" },
    ...{ lab: "loopback", grade: "listener-safe" },
    contract: async ({ ports: [port] }) => ({
      ...webContract({ port }),
      ...{ grade: "listener-safe", switch: { strategy: "restart", start: "bin/start" } },
    }),
    traffic: () => [],
    meter: ({ ports: [port] }) =>
      spawnMeter({
        ...{ address: "127.0.1.1", traffic: [{ kind: "new", port }], timeoutMs: 10_000, maxSeconds: 600, maxRequests },
      }),
    build: ({ version, directory }) => buildWeb(directory, version),
  };
}

test("a row whose meter ends by its own bound before the last switch breaks off, whatever was measured till then", {
  skip: loopbackSkip,
  timeout: 1_200_000,
}, async () => {
  await assert.rejects(runRow(restartRow(20), { switches: 2 }), bound);
  if (!isFull) return; // rows that come to their end: those of every push
  const { switches, measured } = await runRow(restartRow(1_000_000), { switches: 2 });
  assert.deepEqual([switches.length, measured.endedBy], [2, "stop"]);
});

inFullForm("cutover grade gives none either, and makes no more switches that nobody measures", () =>
  withMeasuredServer(async (server) => {
    const short = await graded(server, { maxRequests: 20, untilMeterEnds: true });
    assert.deepEqual(short.released, ["1.0.0", "2.0.0"], "the second switch is not made");
    assert.throws(() => short.report(), { ...bound, remedy: "cutover grade web --switches 1" });
    const whole = await graded(server, { maxRequests: 1_000_000, untilMeterEnds: false });
    assert.deepEqual(whole.released, ["1.0.0", "2.0.0", "1.0.0"]);
    assert.equal(whole.report().grade, "request-safe");
  }),
);

interface Graded {
  readonly released: readonly string[];
  /** Throws what the grading threw. */
  readonly report: () => GradeReport;
}

/** Two switches of a host that only says so, while the server is measured. */
async function graded(
  server: MeasuredServer,
  { maxRequests, untilMeterEnds }: { readonly maxRequests: number; readonly untilMeterEnds: boolean },
): Promise<Graded> {
  const released: string[] = [];
  const home = {
    async release(version: string) {
      const from = released.at(-1);
      released.push(version);
      const hasMeter = async () => process.getActiveResourcesInfo().includes("ProcessWrap");
      if (from !== undefined && untilMeterEnds) await until("the meter's end", 30_000, async () => !(await hasMeter()));
      await delay(10); // its last line is read
      return { events: from === undefined ? [] : [switched(from, version, released.length)], pass };
    },
  };
  const subject = {
    contract: { name: "web", grade: undefined, switch: { strategy: "exec" } },
    versions: ["1.0.0", "2.0.0"],
  };
  const request = {
    ...{ subject, switches: 2, traffic: [{ kind: "new", port: server.ports.http }], ifSpoken: [], units: {} },
    ...{ timeoutMs: 5_000, maxRequests, signal: new AbortController().signal, say: () => {} },
  };
  const place = { home, host: { name: "graded", address: "127.0.0.1" } };
  const report = switchUnderLoad(request as unknown as GradeRequest, place as unknown as GradePlace);
  const [ended] = await Promise.allSettled([report]);
  return {
    released,
    report() {
      if (ended.status === "rejected") throw ended.reason;
      return ended.value;
    },
  };
}

const pass = { results: [{ outcome: "done" }] };

function switched(from: string, to: string, pid: number): unknown {
  const evidence = `old-pid=${pid} new-pid=${pid + 1} from=${from} to=${to}`;
  const event = { task: "graded/web/switch", action: "do", state: "done", durationMs: 1, evidence };
  return { kind: "task", event };
}
