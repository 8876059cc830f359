// What a check of hosts says of runs that wait for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runsAwaiting } from "../../../src/app/check-hosts.ts";
import { awaitedLines } from "../../../src/cli/render-hosts.ts";
import { toText } from "../../../src/cli/text.ts";
import type { Observation } from "../../../src/model/observation.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal, runController } from "../../support/engine.ts";
import { inProcessHosts } from "../../support/in-process-hosts.ts";
import { planInput } from "../../support/plan-input.ts";

const observation = (host: string, kind: "observed" | "unreachable") => ({ host, kind }) as unknown as Observation;

test("a check drives no run: who waits for the host is named with what makes that run go on (P7)", async () => {
  const plan = makePlan(planInput({ components: { app: { hosts: ["h1"] } } }));
  const journal = memoryJournal();
  const { executor } = inProcessHosts({ loses: () => true });
  await runController({ plan, journal, executor, epoch: 1 });
  assert.deepEqual(await runsAwaiting({ journal }, ["h2"]), []);
  const awaited = await runsAwaiting({ journal }, ["h1", "h2"]);
  const show = (kind: "observed" | "unreachable") =>
    toText(awaitedLines(awaited, [observation("h1", kind)]), { color: false, width: undefined, overflow: "wrap" });
  const line = `waited for: run r1 of ${plan.release} waits for word from h1`;
  assert.deepEqual(show("observed"), [line, "next: cutover reconcile --once"]);
  assert.deepEqual(show("unreachable"), [
    line,
    "next: cutover reconcile --once, once it answers; cutover hold h1 --reason …, if it will not come back",
  ]);
  assert.deepEqual(awaitedLines([], [observation("h1", "observed")]), []);
});
