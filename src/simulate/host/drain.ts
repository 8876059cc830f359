// Taking a simulated component out of service and back, as hook.sh has it: written down first, so that whoever goes back
// brings it back.
import { loadContract, type MachineRoom, needDisk, type TaskContext, TaskFailure, type Work } from "./machine-room.ts";
import type { ComponentTruth } from "./truth.ts";

export function* drainTask(context: TaskContext): Work {
  const { room, component, version, run } = context;
  const { hasDrain } = loadContract(context, version);
  yield room.duration(10);
  if (!hasDrain) return "nothing-to-drain";
  needDisk(room, 74, "cannot-write");
  component.drained = { run, version, bootId: room.truth.bootId };
  component.undrained = undefined;
  yield room.duration(100);
  failWhen(room, component, { version, task: "drain" });
  component.isDrained = true;
  return "drained";
}

export function* undrainTask(context: TaskContext): Work {
  const { room, component, version, run } = context;
  if (component.undrained === run) return "back in service already";
  const { hasDrain } = loadContract(context, version);
  yield room.duration(50);
  if (hasDrain) {
    failWhen(room, component, { version, task: "undrain" });
    component.isDrained = false;
  }
  component.drained = undefined;
  return hasDrain ? "in service" : "nothing-to-drain";
}

/** After a way back without the controller; false while the undo fails. */
export function* undrain(room: MachineRoom, component: ComponentTruth): Work<boolean> {
  const { drained, trial } = component;
  if (drained === undefined) return true;
  if (trial?.run === drained.run ? trial.state !== "reverted" : drained.bootId === room.truth.bootId) return true;
  if (!component.releases.has(drained.version)) return true;
  yield room.duration(50);
  if (room.contract(component.name, drained.version).hasDrain) {
    if (room.failure(component.name, drained.version, "undrain") !== undefined) return false;
    component.isDrained = false;
  }
  component.drained = undefined;
  component.undrained = drained.run;
  return true;
}

function failWhen(
  room: MachineRoom,
  component: ComponentTruth,
  { version, task }: { version: string; task: "drain" | "undrain" },
): void {
  const failure = room.failure(component.name, version, task);
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
}
