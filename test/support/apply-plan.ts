// What hosts would say after a plan's steps: a model of host.sh that is strict about what each task stands on.
import assert from "node:assert/strict";
import type { Observation, ObservedComponent } from "../../src/model/observation.ts";
import type { Plan } from "../../src/model/plan.ts";
import type { Task } from "../../src/model/task.ts";
import type { PlanInput } from "../../src/plan/make-plan.ts";
import { treeOf } from "./plan-input.ts";

/** Fails where a task comes before what it needs: a version that is not built, a trial that is not there. */
export function applyPlan(input: PlanInput, { steps }: Plan): PlanInput {
  const places = new Map<string, ObservedComponent>();
  for (const observation of input.observations.values())
    if (observation.kind === "observed")
      for (const seen of observation.components) places.set(`${observation.host}/${seen.component}`, seen);
  for (const { work } of steps)
    for (const { groups } of work)
      for (const task of groups.flat()) {
        const place = `${task.host}/${task.component}`;
        const seen = places.get(place);
        assert.ok(seen, `${task.id} on a host that was not observed`);
        places.set(place, afterTask(seen, task));
      }
  const observations = [...input.observations].map(([host, observation]): [string, Observation] => {
    if (observation.kind !== "observed") return [host, observation];
    const components = observation.components.map((seen) => places.get(`${host}/${seen.component}`) ?? seen);
    return [host, { ...observation, components }];
  });
  return { ...input, observations: new Map(observations) };
}

function afterTask(seen: ObservedComponent, { id, kind, action, component, version }: Task): ObservedComponent {
  const tree = treeOf(component, version);
  if (action === "undo") return seen;
  switch (kind) {
    case "build":
      return { ...seen, built: [...seen.built, version] };
    case "check":
      assert.ok(seen.built.includes(version), `${id} before its version is built`);
      return seen;
    case "switch":
      assert.ok(seen.built.includes(version), `${id} before its version is built`);
      return { ...seen, current: version, currentTree: tree, state: "trial" };
    case "confirm":
      assert.equal(seen.state, "trial", `${id} without a trial`);
      return { ...seen, state: "confirmed" };
    case "commit":
      assert.deepEqual([seen.current, seen.state === "trial"], [version, false], `${id} of what was not confirmed`);
      return { ...seen, committed: version, committedTree: tree, state: "committed" };
    default:
      return seen;
  }
}
