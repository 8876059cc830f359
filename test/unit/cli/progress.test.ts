// One model of a run, three displays: what each shows of the same events.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeOutput } from "../../../src/cli/output.ts";
import { applyBytes, applyEvent, type RunProgress, startProgress } from "../../../src/cli/progress.ts";
import { renderProgress } from "../../../src/cli/render-progress.ts";
import { renderRunEvent, summaryLines } from "../../../src/cli/render-run-event.ts";
import { textWidth, toText } from "../../../src/cli/text.ts";
import { watchRun } from "../../../src/cli/watch-run.ts";
import type { Plan } from "../../../src/model/plan.ts";
import type { EventBody, JournalEvent } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { largePlan } from "../../support/large-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const run = "r20261121-031500-4f2a";
const plain = { color: false, width: undefined, overflow: "wrap" } as const;
const names = (count: number) => Array.from({ length: count }, (_, index) => `web${index + 1}`);

function journal(bodies: readonly EventBody[]): JournalEvent[] {
  return bodies.map((body, index) => ({ ...body, stream: `run/${run}`, sequence: index + 1, at: 1_000 * (index + 1) }));
}

function planned(world: World | Plan): { plan: Plan; first: EventBody } {
  const plan = "steps" in world ? world : makePlan(planInput(world));
  const commit = "0123456789abcdef0123456789abcdef01234567";
  return { plan, first: { kind: "run-planned", commit, generation: "g", plan, epoch: 3, fleet: [] } };
}

/** Every host of every step ends as `outcomeOf` says; the run stops at the first step with a host that is not done. */
function story(
  world: World | Plan,
  outcomeOf: (step: string, host: string) => "done" | "failed" | "unknown",
): EventBody[] {
  const { plan, first } = planned(world);
  const bodies: EventBody[] = [first];
  for (const step of plan.steps) {
    bodies.push({ kind: "step-started", step: step.id });
    let stopped = false;
    for (const { host } of step.work) {
      const outcome = outcomeOf(step.id, host);
      stopped ||= outcome !== "done";
      const evidence = outcome === "done" ? "" : "HTTP 500 \u001b[31mfrom /";
      if (outcome === "failed") {
        const event = {
          task: `${host}/shop/health`,
          action: "do",
          state: "failed",
          durationMs: 9,
          exitCode: 1,
        } as const;
        bodies.push({ kind: "task", step: step.id, host, event: { ...event, reason: "unhealthy", evidence } });
      }
      bodies.push({ kind: "host-ended", step: step.id, host, outcome, evidence });
    }
    if (stopped) return bodies;
    bodies.push({ kind: "step-ended", step: step.id });
  }
  return bodies;
}

function tell(bodies: readonly EventBody[]): { progress: RunProgress; lines: string[] } {
  const progress = startProgress(run, 1_000);
  const lines = journal(bodies).flatMap((event) => {
    applyEvent(progress, event);
    return toText(renderRunEvent(progress, event).lines, plain);
  });
  return { progress, lines };
}

test("hosts with identical outcomes are one line, also when there are 10,000 of them", () => {
  const world = largePlan({ hosts: 10_000, batchSize: 9_999 });
  const { lines } = tell([...story(world, () => "done"), { kind: "run-ended", outcome: "done", reason: "" }]);
  assert.ok(lines.length < 100, `${lines.length} lines`);
  assert.ok(lines.some((line) => /^switch 2 of 2: done on 9,999 \(web2\.\.web10000\) in /.test(line)));
});

test("done means N of N hosts read back, with seconds and bytes (P10)", () => {
  const { progress } = tell([
    ...story({ components: { shop: { hosts: names(4) } } }, () => "done"),
    { kind: "run-ended", outcome: "done", reason: "" },
  ]);
  applyBytes(progress, { host: "web1", component: "shop", sent: 1_500_000, total: 1_500_000 });
  assert.match(toText(summaryLines(progress), plain)[0] ?? "", /^done: 4 of 4 hosts read back, \d+ s, 1\.5 MB$/);
});

test("a failure shows its evidence at once and escaped, and the same on further hosts in one line each (T26)", () => {
  const world: World = { components: { shop: { hosts: names(5) } }, policy: { canaries: 5 } };
  const { lines } = tell(story(world, (step) => (step === "switch.1" ? "failed" : "done")));
  const failures = lines.filter((line) => line.startsWith("failed: "));
  assert.deepEqual(failures, [
    "failed: web1 shop/health: unhealthy",
    ...names(5)
      .slice(1)
      .map((host) => `failed: ${host} shop/health: unhealthy (as before)`),
  ]);
  assert.equal(lines.filter((line) => line === "  | HTTP 500 \\u{1b}[31mfrom /").length, 1);
});

test("what a run waited for somebody is no time of the step that goes on then", () => {
  const world: World = { components: { shop: { hosts: names(1) } } };
  const told = story(world, (step) => (step === "switch.1" ? "failed" : "done"));
  const turn = { kind: "host-reopened", step: "switch.1", host: "web1", turn: 1, tasks: [], rest: [], by: "anna", reason: "mended" } as const; // biome-ignore format: one line
  const after: EventBody[] = [turn, { kind: "run-resumed", epoch: 4 }, { kind: "host-ended", step: "switch.1", host: "web1", outcome: "done", evidence: "" }, { kind: "step-ended", step: "switch.1" }]; // biome-ignore format: one line
  const progress = startProgress(run, 1_000);
  // An hour passes before anybody comes; each event takes a second.
  const events = journal([...told, ...after]).map((event, index) => ({ ...event, at: event.at + (index < told.length ? 0 : 3_600_000) })); // biome-ignore format: one line
  const lines = events.flatMap((event) => {
    applyEvent(progress, event);
    return toText(renderRunEvent(progress, event).lines, plain);
  });
  assert.match(lines.at(-1) ?? "", /^switch 1 of 1: done on 1 \(web1\) in 4\.0 s$/);
});

test("an unknown outcome is never shown as done (P7)", () => {
  const world: World = { components: { shop: { hosts: names(2) } } };
  const { progress, lines } = tell(story(world, (step) => (step === "switch.1" ? "unknown" : "done")));
  assert.ok(lines.some((line) => line.startsWith("unknown: web1 host: unknown")));
  const [first, why] = toText(summaryLines(progress), plain);
  assert.match(first ?? "", /^waiting: 0 of 2 hosts read back/);
  assert.equal(why, "  because nobody knows how it ended on web1");
});

test("a way back says why, and counts the hosts that went back", () => {
  const world: World = { components: { shop: { hosts: names(3) } } };
  const { lines } = tell([
    ...story(world, (step) => (step === "switch.1" ? "failed" : "done")),
    { kind: "quarantined", component: "shop", version: "2.0.0", tree: "sha256:0", reason: "unhealthy", evidence: "" },
    { kind: "rollback-started", scope: "batch", reason: "switch.1 failed on web1", by: "cutover" },
    { kind: "step-started", step: "rollback.1" },
    { kind: "submitted", step: "rollback.1", host: "web1" },
    { kind: "host-ended", step: "rollback.1", host: "web1", outcome: "done", evidence: "" },
    { kind: "step-ended", step: "rollback.1" },
    { kind: "step-started", step: "rollback.restore-point" },
    { kind: "submitted", step: "rollback.restore-point", host: "web1" },
    { kind: "host-ended", step: "rollback.restore-point", host: "web1", outcome: "done", evidence: "" },
    { kind: "step-ended", step: "rollback.restore-point" },
    { kind: "run-ended", outcome: "rolled-back", reason: "switch.1 failed on web1" },
  ]);
  assert.ok(lines.some((line) => line.startsWith("quarantined shop 2.0.0: unhealthy")));
  assert.ok(lines.some((line) => line.startsWith("way back 1: done on 1 (web1)")));
  assert.ok(lines.some((line) => line.startsWith("way back of restore-point: done on 1 (web1)")));
  assert.match(lines.at(-3) ?? "", /^rolled back: 1 of 1 host went back/);
  assert.equal(lines.at(-1), "next: cutover status");
});

test("of two ways back the one in force is counted and named; what the first has read back stays read back (P10)", () => {
  const world: World = { components: { shop: { hosts: names(4) } } };
  const ended = (step: string, host: string, outcome: "done" | "unknown"): EventBody[] => [
    { kind: "submitted", step, host },
    { kind: "host-ended", step, host, outcome, evidence: "" },
  ];
  const back = { kind: "rollback-started", scope: "release", reason: "balancer is down", by: "ada" } as const;
  const bodies: EventBody[] = [
    ...story(world, (step, host) => (step === "switch.1" && host === "web1" ? "unknown" : "done")),
    back,
    { kind: "step-started", step: "rollback.2" },
    ...ended("rollback.2", "web3", "done"),
    ...ended("rollback.2", "web4", "unknown"),
    // The same way back goes on.
    back,
    ...ended("rollback.away.1", "lb", "unknown"),
    { ...back, inTraffic: true },
    { kind: "step-started", step: "rollback.again2.2" },
    ...ended("rollback.again2.2", "web4", "done"),
  ];
  const waiting = (more: readonly EventBody[]) => toText(summaryLines(tell([...bodies, ...more]).progress), plain);
  assert.match(waiting([])[0] ?? "", /^waiting: 2 of 2 hosts read back/);
  assert.equal(waiting([])[1], "  because it was interrupted");
  const silent = waiting(ended("rollback.again2.1", "web1", "unknown"));
  assert.match(silent[0] ?? "", /^waiting: 2 of 3 hosts read back/);
  assert.equal(silent[1], "  because nobody knows how it ended on web1");
  const size = { columns: 120, rows: 40 };
  const picture = renderProgress(tell(bodies).progress, { now: 99_000, size });
  const rows = toText(picture, plain).filter((row) => row.includes("way back"));
  assert.deepEqual([rows.length, rows[0]?.includes("web4")], [1, true]);
});

test("the live picture keeps within rows and columns at every moment, for any size", () => {
  const world: World = { components: { shop: { hosts: names(40) } }, policy: { batchSize: 1 } };
  const progress = startProgress(run, 1_000);
  for (const event of journal(
    story(world, (step, host) => (step === "switch.9" && host === "web9" ? "failed" : "done")),
  )) {
    applyEvent(progress, event);
    for (const size of [
      { columns: 20, rows: 5 },
      { columns: 79, rows: 23 },
      { columns: 3, rows: 1 },
    ]) {
      const rows = toText(renderProgress(progress, { now: event.at + 500, size }), {
        color: false,
        width: size.columns,
        overflow: "cut",
      });
      assert.ok(rows.length <= size.rows);
      assert.ok(rows.every((row) => textWidth(row) <= size.columns));
    }
  }
});

test("the live picture shows the running tasks with their hosts, and what was seen last", () => {
  const { first } = planned({ components: { shop: { hosts: names(4) } } });
  const task = (host: string, state: "running" | "done", evidence = ""): EventBody => {
    const event = { task: `${host}/shop/switch`, action: "do", durationMs: 0, exitCode: 0, reason: "ok" } as const;
    return { kind: "task", step: "switch.2", host, event: { ...event, state, evidence } };
  };
  const bodies = [
    first,
    { kind: "step-started", step: "switch.2" } as const,
    task("web2", "running"),
    task("web3", "running"),
  ];
  const shown = (evidence: string): string[] => {
    const { progress } = tell([...bodies, task("web1", "done", evidence)]);
    return toText(renderProgress(progress, { now: 9_000, size: { columns: 100, rows: 24 } }), plain);
  };
  const lines = shown("old-pid=12\nnew-pid=14");
  assert.ok(
    lines.some((line) => /^ {2}now {2}shop switch 6\.0 s {2}web2, web3$/.test(line)),
    lines.join("\n"),
  );
  assert.ok(lines.includes("  last web1/shop/switch: new-pid=14"));
  assert.ok(shown("no disk\r\n\nTerminated\n").includes("  last web1/shop/switch: no disk"), "not the shell's word");
});

test("piped output is plain lines, each with its time; JSON output is the events themselves", () => {
  const bodies: EventBody[] = [
    ...story({ components: { shop: { hosts: names(2) } } }, () => "done"),
    { kind: "run-ended", outcome: "done", reason: "" },
  ];
  const record = (json: boolean) => {
    let text = "";
    const sink = {
      isTTY: false,
      columns: undefined,
      rows: undefined,
      write: (part: string) => {
        text += part;
      },
    };
    const display = watchRun(makeOutput({ out: sink, err: sink, json, color: false }));
    for (const event of journal(bodies)) display.onEvent(event);
    display.close();
    return text.trimEnd().split("\n");
  };
  assert.ok(record(false).every((line) => /^1970-01-01T00:00:\d\dZ /.test(line)));
  assert.deepEqual(
    record(true).map((line) => JSON.parse(line)),
    JSON.parse(JSON.stringify(journal(bodies))),
  );
});

test("all events of 10,000 hosts cost a display less than two seconds of CPU", () => {
  const world = largePlan({ hosts: 10_000, batchSize: 2_500 });
  const events = journal(story(world, () => "done"));
  const progress = startProgress(run, 0);
  const started = process.cpuUsage();
  for (const event of events) {
    applyEvent(progress, event);
    renderRunEvent(progress, event);
  }
  for (let frame = 0; frame < 10; frame++) renderProgress(progress, { now: 0, size: { columns: 100, rows: 40 } });
  assert.ok(process.cpuUsage(started).user < 2_000_000, `${process.cpuUsage(started).user} µs`);
});

test("a gate says at once that the run waits for a person, why, and what to type; and who opened it", () => {
  const edits = [{ kind: "gate", name: "look", beforePhase: "commit", reason: "someone looks at the graphs" }] as const;
  const { first } = planned({ components: { shop: { hosts: ["web1"] } }, edits });
  const { lines } = tell([
    first,
    { kind: "step-started", step: "gate.look" },
    { kind: "gate-opened", step: "gate.look", by: "ada", reason: "all flat" },
  ]);
  assert.deepEqual(lines.slice(-3), [
    "waits at gate look: someone looks at the graphs",
    `next: cutover gate open ${run} look --reason …`,
    "gate look opened by ada: all flat",
  ]);
});
