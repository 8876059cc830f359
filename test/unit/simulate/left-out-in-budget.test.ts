// A world that random ones hardly come by: a host that may have switched is silent for good, and another one fails in a later batch.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runScenario } from "../../../src/simulate/run-scenario.ts";
import type { Scenario } from "../../../src/simulate/scenario.ts";

const hosts = ["h1", "h2", "h3", "h4", "h5", "h6"];

/** One host after the other, in two batches; h1 is gone from this moment on, and the switch of h4 fails. */
function worldOf(goneAt: number): Scenario {
  return {
    seed: 1,
    hosts: hosts.map((name) => ({ name, manager: "systemd" })),
    components: [
      {
        ...{ name: "api", hosts, dependsOn: [], from: "v1", to: "v2", deadlineSeconds: 60, tasks: [] },
        ...{ hasDrain: false, hasBackup: false, hasHealth: true },
      },
    ],
    policy: { canaries: 0, batchSize: 3, soakSeconds: 0, failureBudget: 1, drift: "report" },
    rollbackPolicy: "auto",
    concurrency: 1,
    patienceMs: 5_000,
    faults: [
      { kind: "black-hole", host: "h1", at: goneAt, forMs: 600_000 },
      { kind: "bad-version", component: "api", version: "v2", host: "h4", task: "switch", times: 1 },
    ],
  };
}

test("whom the budget let go counts in it when another fails: nothing more switches then, whenever the first one fell silent (P9)", async () => {
  let letGo = 0;
  for (let goneAt = 2_400; goneAt < 4_400; goneAt += 200) {
    const lines: string[] = [];
    const { violation } = await runScenario(worldOf(goneAt), (line) => lines.push(line));
    assert.equal(violation, undefined, `gone at ${goneAt}`);
    if (lines.some((line) => line.includes("host-left-out") && line.includes("within the failure budget"))) letGo += 1;
  }
  assert.ok(letGo > 3, "most of these moments are such ones");
});
