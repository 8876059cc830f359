// The main job, end to end on real hosts: git push, reconcile, switch, judge, go back, report.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readStatus } from "../../src/app/read-status.ts";
import { mustRun } from "../../src/lab/run-program.ts";
import { stateOf } from "../../src/model/status.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

test("a push of a release reaches every host, and a second pass writes nothing (R1, R5)", { skip: loopbackSkip }, () =>
  withLoopbackLab(3, (lab) =>
    withWorld(lab, async (world) => {
      await world.publishWeb("1.0.0");
      const commit = await world.pushWeb("1.0.0");
      const first = await world.reconcile();
      assert.deepEqual(
        first.results.map(({ outcome }) => outcome),
        ["done"],
      );
      for (const host of lab.hosts) assert.deepEqual(await world.ask(host), { status: 200, body: "1.0.0" });
      const again = await world.reconcile();
      assert.deepEqual(
        again.results.map(({ outcome, run }) => [outcome, run]),
        [["in-sync", undefined]],
      );
      await mustRun([
        "git",
        "-C",
        `${world.home}/work`,
        "fetch",
        "--quiet",
        "origin",
        "+refs/notes/cutover:refs/notes/cutover",
      ]);
      const note = await mustRun(["git", "-C", `${world.home}/work`, "notes", "--ref=cutover", "show", commit]);
      assert.match(note, /Ready/);
    }),
  ),
);

test(
  "a release that fails its canary goes back by itself, touches nobody else, and starts no loop (P16, R14, R46)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(3, (lab) =>
      withWorld(lab, async (world) => {
        await world.publishWeb("1.0.0");
        await world.publishWeb("2.0.0", { failEvery: 5 });
        await world.pushWeb("1.0.0");
        await world.reconcile();
        await world.pushWeb("2.0.0");
        const switched = new Set<string>();
        const result = await world.reconcile({
          onEvent: (event) => {
            if (event.kind === "task" && event.event.task.endsWith("/switch")) switched.add(event.host);
          },
        });
        assert.deepEqual(
          result.results.map(({ outcome }) => outcome),
          ["rolled-back"],
        );
        assert.deepEqual([...switched], [lab.hosts[0]?.name]);
        for (const host of lab.hosts) assert.deepEqual(await world.ask(host), { status: 200, body: "1.0.0" });
        const again = await world.reconcile();
        assert.deepEqual(
          again.results.map(({ outcome, plan }) => [outcome, plan.held.map(({ reason }) => reason)]),
          [["stalled", ["quarantined", "quarantined", "quarantined"]]],
        );
        await world.pushWeb("1.0.0", { name: "renamed" });
        await world.reconcile();
        const { releases, gone } = await world.withController(({ journal, settings }) => readStatus(journal, settings));
        const found = releases.map((status) => [status.release, stateOf(status).type]);
        assert.deepEqual([found, gone], [[["renamed", "Ready"]], []], "the old name is no longer told of as stalled");
      }),
    ),
);
