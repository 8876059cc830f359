// Hosts of a batch that wait for others: when each is confirmed by itself, and when it is left to its deadline.
import assert from "node:assert/strict";
import test from "node:test";
import { earlyBench, trialMs } from "../../support/early-bench.ts";
import { settled } from "../../support/hand-clock.ts";
import type { HostScript } from "../../support/in-process-hosts.ts";

test("P8: a host that waits for others longer than half its trial is confirmed by itself, over a new connection", async () => {
  const { switched, clock, confirmed, asked, recorded } = earlyBench();
  switched("h1");
  await clock.turnTo(trialMs / 2 - 1);
  assert.deepEqual(confirmed(), []);
  await clock.turnTo(trialMs / 2);
  assert.deepEqual(confirmed(), ["h1"]);
  assert.deepEqual(asked(), ["60 s: close h1", "60 s: submit h1 confirm.1"]);
  assert.equal(recorded[0]?.kind, "step-started", "journaled before it is done (F2)");
});

test("P8: the trial counts from its beginning, not from when the host has done the rest of its step", async () => {
  const one = earlyBench();
  one.trialBegins("h1");
  await one.clock.turnTo(50_000);
  one.switched("h1");
  await one.clock.turnTo(trialMs / 2);
  assert.deepEqual(one.confirmed(), ["h1"]);
  const late = earlyBench();
  await late.clock.turnTo(70_000);
  // The link was lost meanwhile: only now the host says that it began, and how long that took.
  late.trialBegins("h1");
  late.trialBegins("h1", { state: "done", durationMs: 65_000 });
  late.switched("h1");
  await late.clock.turnTo(70_001);
  assert.deepEqual(late.confirmed(), ["h1"], "half of the trial is over already");
});

test("P9: nothing is confirmed while one of the batch failed", async () => {
  const { switched, clock, confirmed, tell, failed, early } = earlyBench();
  switched("h1");
  tell(failed("h2"));
  await clock.turnTo(10 * trialMs);
  assert.deepEqual(confirmed(), []);
  assert.equal(clock.sleeping(), 0, "nobody looks on after the trial");
  await early.end();
});

test("P9: nothing is confirmed either while one of the batch was not confirmed, as that takes the batch back", async () => {
  const { switched, clock, confirmed, outcomeOf, early } = earlyBench({
    hosts: ["h1", "h2", "h3"],
    script: { fails: ({ id }) => (id === "h1/app/confirm" ? "deadline-passed" : undefined) },
  });
  switched("h1");
  await clock.turnTo(1_000);
  switched("h2");
  await clock.turnTo(10 * trialMs);
  assert.equal(outcomeOf("h1"), "failed");
  assert.deepEqual(confirmed(), []);
  await early.end();
});

test("P7, P9: one that does not answer holds up the others, and no longer than until it answers again", async () => {
  for (const answersAt of [undefined, trialMs * 0.7]) {
    const { switched, clock, confirmed, silent, early } = earlyBench();
    switched("h1");
    silent.add("h2");
    await clock.turnTo(answersAt ?? trialMs);
    assert.deepEqual(confirmed(), []);
    if (answersAt !== undefined) silent.delete("h2");
    await clock.turnTo(trialMs);
    assert.deepEqual(confirmed(), answersAt === undefined ? [] : ["h1"]);
    await early.end();
  }
});

test("P7: one of which nobody knows whether it has switched holds up the others, until the run goes on without it", async () => {
  const { switched, clock, confirmed, silent, tell, unknown } = earlyBench();
  switched("h1");
  silent.add("h2");
  tell(unknown("h2"));
  await clock.turnTo(trialMs * 0.7);
  assert.deepEqual(confirmed(), []);
  tell({ kind: "host-left-out", step: "switch.1", host: "h2", reason: "held" });
  await clock.turnTo(trialMs * 0.8);
  assert.deepEqual(confirmed(), ["h1"]);
});

test("a silent host of another batch holds up nobody", async () => {
  const { switched, clock, confirmed, silent } = earlyBench();
  silent.add("elsewhere");
  switched("h1");
  await clock.turnTo(trialMs / 2);
  assert.deepEqual(confirmed(), ["h1"]);
});

test("one that has switched and is silent while it is confirmed holds up no other", async () => {
  const { switched, clock, confirmed, silent } = earlyBench({ script: { loses: (host) => host === "h1" } });
  switched("h1");
  await clock.turnTo(1_000);
  switched("h2");
  await clock.turnTo(trialMs / 2 + 1_000);
  assert.ok(silent.has("h1"));
  assert.deepEqual(confirmed(), ["h2"]);
});

/** Hosts whose confirmation does not end before a test says so. */
function hanging() {
  const under = new Map<string, PromiseWithResolvers<void>>();
  const released = new Set<string>();
  const gateOf = (host: string) => {
    const known = under.get(host) ?? Promise.withResolvers<void>();
    under.set(host, known);
    return known;
  };
  return {
    script: { gate: (host: string) => gateOf(host).promise } satisfies HostScript,
    now: () => [...under.keys()].filter((host) => !released.has(host)),
    release(host: string) {
      released.add(host);
      gateOf(host).resolve();
    },
  };
}

test("never more than its lanes at once, and every one gets its turn", async () => {
  const names = Array.from({ length: 9 }, (_, index) => `h${index}`);
  let under = 0;
  let most = 0;
  const seen = new Set<string>();
  const { switched, clock, confirmed } = earlyBench({
    ...{ hosts: names, lanes: 2.5 },
    script: {
      async gate(host) {
        if (seen.has(host)) return;
        seen.add(host);
        under += 1;
        most = Math.max(most, under);
        await settled();
        under -= 1;
      },
    },
  });
  switched(...names);
  await clock.turnTo(trialMs / 2);
  for (let turn = 0; turn < names.length; turn++) await settled();
  assert.deepEqual(confirmed(), names);
  assert.equal(most, 2);
});

test("one confirmation that hangs keeps its own lane, and nobody waits behind it while another is free", async () => {
  const { script, now, release } = hanging();
  const { switched, clock, confirmed } = earlyBench({ hosts: ["h1", "h2", "h3", "h4"], lanes: 2, script });
  switched("h1", "h2", "h3", "h4");
  await clock.turnTo(trialMs / 2);
  assert.deepEqual(now(), ["h1", "h2"]);
  for (const host of ["h2", "h3", "h4"]) {
    assert.deepEqual(now(), ["h1", host]);
    release(host);
    await settled();
  }
  assert.deepEqual(confirmed(), ["h2", "h3", "h4"]);
  assert.deepEqual(now(), ["h1"]);
});

test("what waited for a lane is not confirmed when one of the batch has failed meanwhile (P9)", async () => {
  const { script, release } = hanging();
  const { switched, clock, outcomeOf, tell, failed } = earlyBench({ hosts: ["h1", "h2", "h3"], lanes: 1, script });
  switched("h1", "h2");
  await clock.turnTo(trialMs / 2);
  tell(failed("h3"));
  release("h1");
  release("h2");
  await clock.turnTo(10 * trialMs);
  assert.deepEqual(["h1", "h2"].map(outcomeOf), ["done", undefined], "what was under way comes to its end");
});

test("a confirmation that cannot be recorded is told at the end, and not before; nothing more is begun then", async () => {
  const { switched, clock, confirmed, early } = earlyBench({
    failsToRecord: (event) => event.kind === "host-ended" && event.host === "h1",
  });
  switched("h1");
  await clock.turnTo(1_000);
  switched("h2");
  await clock.turnTo(trialMs);
  assert.deepEqual(confirmed(), []);
  await assert.rejects(early.end(), /disk full/);
  const under = earlyBench({ failsToRecord: ({ kind }) => kind === "submitted" });
  under.switched("h1");
  const turned = under.clock.turnTo(trialMs / 2);
  await assert.rejects(
    turned.then(() => under.early.end()),
    /disk full/,
  );
});

test("at the end those that sleep are left to the batch's own confirmation", async () => {
  const { switched, clock, confirmed, asked, early } = earlyBench();
  switched("h1", "h2");
  await clock.turnTo(1_000);
  await early.end();
  assert.equal(clock.sleeping(), 0);
  await clock.turnTo(trialMs);
  assert.deepEqual(confirmed(), []);
  assert.deepEqual(asked(), []);
});

test("P8: the end waits for what is under way, and while that hangs the trials of the others do not run out", async () => {
  const { script, now, release } = hanging();
  const { switched, clock, outcomeOf, early } = earlyBench({ lanes: 2, script });
  switched("h1");
  await clock.turnTo(trialMs / 2);
  switched("h2", "h3");
  let ended = false;
  const end = early.end().then(() => {
    ended = true;
  });
  await clock.turnTo(trialMs);
  assert.deepEqual(now(), ["h1", "h2"]);
  release("h1");
  await settled();
  assert.equal(ended, false);
  release("h2");
  await settled();
  release("h3");
  await end;
  assert.deepEqual(["h1", "h2", "h3"].map(outcomeOf), ["done", "done", "done"]);
});

test("who is aborted waits for nobody: the end rejects while a confirmation hangs, and nothing more is begun", async () => {
  const { script, release } = hanging();
  const { switched, clock, asked, abort, early } = earlyBench({ lanes: 1, script });
  switched("h1", "h2");
  await clock.turnTo(1_000);
  switched("h3");
  await clock.turnTo(trialMs / 2);
  const end = early.end();
  abort.abort(new Error("lease lost"));
  await assert.rejects(end, /lease lost/);
  release("h1");
  await clock.turnTo(10 * trialMs);
  assert.deepEqual(asked(), ["60 s: close h1", "60 s: submit h1 confirm.1"]);
});

test("what another controller saw done, or handed over, is confirmed at once: how old the trial is, nobody knows", async () => {
  const done = { kind: "host-ended", step: "switch.1", host: "h1", outcome: "done", evidence: "" } as const;
  const took = { kind: "submitted", step: "switch.1", host: "h2" } as const;
  const { clock, confirmed, switched, trialBegins } = earlyBench({ before: [done, took] });
  await clock.turnTo(0);
  assert.deepEqual(confirmed(), ["h1"]);
  // The host tells its story from the start.
  trialBegins("h2");
  switched("h2", "h3");
  await clock.turnTo(0);
  assert.deepEqual(confirmed(), ["h1", "h2"]);
});

test("after another controller too, one that is held up is looked at for a whole trial", async () => {
  const done = { kind: "host-ended", step: "switch.1", host: "h1", outcome: "done", evidence: "" } as const;
  const { clock, confirmed, silent } = earlyBench({ before: [done] });
  silent.add("h2");
  await clock.turnTo(trialMs * 0.8);
  silent.delete("h2");
  await clock.turnTo(trialMs);
  assert.deepEqual(confirmed(), ["h1"]);
});

test("a host is confirmed once, by whoever comes first: here or with its batch", async () => {
  const { clock, switched, asked, tell } = earlyBench();
  switched("h1", "h2");
  const took = { kind: "host-ended", step: "confirm.1", outcome: "done", evidence: "" } as const;
  tell({ kind: "step-started", step: "confirm.1" }, { ...took, host: "h1" });
  await clock.turnTo(trialMs);
  assert.deepEqual(asked(), ["60 s: close h2", "60 s: submit h2 confirm.1"]);
});

test("the step of confirmations is begun once, however many begin with it", async () => {
  const { clock, switched, recorded, confirmed } = earlyBench();
  switched("h1", "h2", "h3");
  await clock.turnTo(trialMs);
  assert.deepEqual(confirmed(), ["h1", "h2", "h3"]);
  assert.equal(recorded.filter(({ kind }) => kind === "step-started").length, 1);
});

test("a step of one host does nothing: nobody keeps it waiting", async () => {
  const { clock, switched, asked, early } = earlyBench({ hosts: ["h1"] });
  switched("h1");
  assert.equal(clock.sleeping(), 0);
  await clock.turnTo(10 * trialMs);
  await early.end();
  assert.deepEqual(asked(), []);
});
