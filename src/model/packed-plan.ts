// A plan as the journal keeps it: hosts that do the same are written once, with their names beside. The plan of 10,000 hosts is
// a few hundred kilobytes so, and not a hundred megabytes; what comes out is what went in, in the same order.
import type { HostWork, Plan, PlannedChange, Step } from "./plan.ts";
import { type Task, taskId } from "./task.ts";

/** A task without its host; `name` is the last part of its id. */
type PackedTask = Omit<Task, "id" | "host"> & { readonly name: string };

interface PackedWork {
  readonly hosts: readonly string[];
  readonly groups: readonly (readonly PackedTask[])[];
}

interface PackedChange {
  readonly hosts: readonly string[];
  readonly change: Omit<PlannedChange, "host">;
}

/** `packed` is absent where the order of the hosts is one that could not be restored: then it is as it was. */
type PackedStep = (Omit<Step, "work"> & { readonly packed: true; readonly work: readonly PackedWork[] }) | Step;

export interface PackedPlan extends Omit<Plan, "steps" | "changes" | "waiting"> {
  readonly packed: 1;
  readonly steps: readonly PackedStep[];
  readonly changes: readonly PackedChange[];
  readonly waiting: readonly PackedChange[];
}

/** Changes are sorted by host, then component, in every plan. */
export function packPlan(plan: Plan): PackedPlan {
  const { steps, changes, waiting, ...rest } = plan;
  return {
    ...{ packed: 1, ...rest },
    steps: steps.map(packStep),
    changes: packChanges(changes),
    waiting: packChanges(waiting),
  };
}

/** Plans of older journals are not packed, and come back as they are. */
export function unpackPlan(stored: PackedPlan | Plan): Plan {
  if (!("packed" in stored)) return stored;
  const { packed: _, steps, changes, waiting, ...rest } = stored;
  return {
    ...rest,
    steps: steps.map(unpackStep),
    changes: unpackChanges(changes),
    waiting: unpackChanges(waiting),
  };
}

function packStep(step: Step): PackedStep {
  if (!step.work.every(isOwnWork) || !isSorted(step.work.map(({ host }) => host))) return step;
  const same = new Map<string, { hosts: string[]; groups: PackedWork["groups"] }>();
  for (const { host, groups } of step.work) {
    const packed = groups.map((group) => group.map(packTask));
    const key = JSON.stringify(packed);
    const known = same.get(key);
    if (known === undefined) same.set(key, { hosts: [host], groups: packed });
    else known.hosts.push(host);
  }
  return { ...step, packed: true, work: [...same.values()] };
}

function unpackStep(step: PackedStep): Step {
  if (!("packed" in step)) return step;
  const { packed: _, work, ...rest } = step;
  const unpacked = work.flatMap(({ hosts, groups }) =>
    hosts.map(
      (host): HostWork => ({ host, groups: groups.map((group) => group.map((task) => unpackTask(host, task))) }),
    ),
  );
  return { ...rest, work: unpacked.sort((a, b) => (a.host < b.host ? -1 : 1)) };
}

/** Ids name the host that the work is of. */
function isOwnWork({ host, groups }: HostWork): boolean {
  return groups.every((group) =>
    group.every((task) => task.host === host && task.id.startsWith(taskId(host, task.component, ""))),
  );
}

function packTask({ id, host, ...task }: Task): PackedTask {
  return { name: id.slice(taskId(host, task.component, "").length), ...task };
}

function unpackTask(host: string, { name, ...task }: PackedTask): Task {
  return { id: taskId(host, task.component, name), host, ...task };
}

function packChanges(changes: readonly PlannedChange[]): PackedChange[] {
  const same = new Map<string, { hosts: string[]; change: PackedChange["change"] }>();
  for (const { host, ...change } of changes) {
    const key = JSON.stringify(change);
    const known = same.get(key);
    if (known === undefined) same.set(key, { hosts: [host], change });
    else known.hosts.push(host);
  }
  return [...same.values()];
}

function unpackChanges(packed: readonly PackedChange[]): PlannedChange[] {
  const changes = packed.flatMap(({ hosts, change }) => hosts.map((host): PlannedChange => ({ host, ...change })));
  return changes.sort((a, b) => compare(a.host, b.host) || compare(a.component, b.component));
}

function isSorted(names: readonly string[]): boolean {
  return names.every((name, index) => index === 0 || (names[index - 1] ?? "") < name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
