// Who keeps traffic away, and how long batches are watched, as people read it.
import assert from "node:assert/strict";
import test from "node:test";
import { soaksOf } from "../../../src/model/soaks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { trafficWords } from "../../../src/status/traffic-words.ts";
import { planInput } from "../../support/plan-input.ts";

const out = { name: "out", scope: "host", hasUndo: true, canDryRun: false } as const;
const world = {
  components: {
    web: { hosts: ["w1", "w2"], balancer: "pool/out" },
    pool: { hosts: ["lb1", "lb2", "lb3", "lb4"], version: "1.0.0", tasks: [out] },
  },
  policy: { canaries: 1, batchSize: 1, soakSeconds: 60 },
};

test("a plan says which balancers take hosts away, and that the soak is of hosts in traffic", () => {
  const fleet = ["w1", "w2", "lb1", "lb2", "lb3", "lb4"].map((name) => {
    return { name, address: name, components: [name.startsWith("lb") ? "pool" : "web"] };
  });
  const { steps } = makePlan({ ...planInput(world), fleet });
  const words =
    "taken away by pool/out on lb1, lb2, lb3, 1 more before hosts switch, and brought back when they are confirmed";
  assert.equal(trafficWords(steps), words);
  assert.deepEqual([...soaksOf(steps)], [[1, 60], [2, 60]]); // biome-ignore format: one line
  assert.equal(trafficWords(makePlan(planInput(world)).steps), undefined);
});
