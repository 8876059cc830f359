// A plan for as many hosts as one likes, written down instead of planned: displays are to be tested, not the planner.
import { digestOf } from "../../src/model/digest.ts";
import type { Plan, PlannedChange, Step } from "../../src/model/plan.ts";
import type { TaskKind } from "../../src/model/task.ts";

/** Hosts web1 …; component shop from 1.0.0 to 2.0.0; one canary, then batches of `batchSize`. */
export function largePlan({ hosts, batchSize }: { readonly hosts: number; readonly batchSize: number }): Plan {
  const names = Array.from({ length: hosts }, (_, index) => `web${index + 1}`);
  const step = (id: string, kind: TaskKind, members: readonly string[]): Step => {
    const [phase, batch] = id.split(".");
    const work = members.map((host) => {
      const task = { id: `${host}/shop/${kind}`, host, component: "shop", version: "2.0.0", kind } as const;
      return { host, groups: [[{ ...task, action: "do" as const, options: {} }]] };
    });
    return { id, kind: phase as Step["kind"], phase: phase ?? "", batch: Number(batch ?? 0), work, soakSeconds: 0 };
  };
  const batches = [names.slice(0, 1)];
  for (let at = 1; at < names.length; at += batchSize) batches.push(names.slice(at, at + batchSize));
  const switches = batches.flatMap((batch, index) => [
    step(`switch.${index + 1}`, "switch", batch),
    step(`confirm.${index + 1}`, "confirm", batch),
  ]);
  return {
    release: "shop",
    changes: names.map(changeOf),
    steps: [
      step("distribute", "distribute", names),
      step("check", "check", names),
      ...switches,
      step("commit", "commit", names),
    ],
    waiting: [],
    held: [],
    rollbackPolicy: "auto",
    failureBudget: 0,
    hash: digestOf(`${hosts} ${batchSize}`),
  };
}

function changeOf(host: string): PlannedChange {
  return {
    host,
    component: "shop",
    from: "1.0.0",
    fromTree: digestOf("1.0.0"),
    to: "2.0.0",
    toTree: digestOf("2.0.0"),
    strategy: "exec",
    deadlineSeconds: 60,
    revertsAfterReboot: true,
  };
}
