// `--in-traffic` for a way back that is under way: it takes effect, or whoever asked is told why not.
import assert from "node:assert/strict";
import test from "node:test";
import { leaveBalancersOut, refuseBeforeItWaits } from "../../../src/app/leave-balancers-out.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { planWith, play } from "../../support/play-balanced-run.ts";

const act = { by: "anna", reason: "it burns" };
const refuse = (state: RunState) => refuseBeforeItWaits({ run: "r1", state }, act);

test("a way back goes on in traffic without the balancer that it waits for; before it waits, the wish is refused with what to do", () => {
  const waiting = play(planWith({ batchSize: 2 }), ({ id }) => (id === "away.1" ? "unknown" : "done"));
  const asking = waiting.events.slice(0, -1).reduce((state, event) => reduce(state, event, "r1"), initialRunState);
  assert.throws(() => refuse(asking), {
    code: "not-waiting-for-balancer",
    evidence: /^lb has something left to do/,
    remedy:
      /^The same command again once cutover status says that the run waits for lb; .*cutover rollback shop --reason …$/,
  });
  refuse(waiting.state);
  const left = leaveBalancersOut(waiting.state, act);
  const without: EventBody = { kind: "host-left-out", step: "away.1", host: "lb", reason: "in traffic, by anna: it burns" }; // biome-ignore format: one line
  assert.deepEqual(left, [without]);
  // Asked again it only goes on, and so does one that has no balancers.
  refuse(reduce(waiting.state, without, "r1"));
  refuse(initialRunState);
});
