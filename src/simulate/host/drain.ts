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
  const failure = room.failure(component.name, version, "drain");
  if (failure !== undefined) throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
  component.isDrained = true;
  if (component.drained?.run === run) return "drained";
  // Another run came meanwhile. One that drains it has it now; one that brought it back did so while we took it out again.
  if (component.drained === undefined) {
    yield room.duration(50);
    component.isDrained = false;
    throw new TaskFailure(66, "taken-back", "brought back into service while it was drained");
  }
  throw new TaskFailure(75, "component-busy", "another run came meanwhile");
}

export function* undrainTask(context: TaskContext): Work {
  const { room, component, run } = context;
  if (component.undrained === run) return "back in service already";
  const kept = component.drained?.version;
  const version = kept !== undefined && component.releases.has(kept) ? kept : context.version;
  const { hasDrain } = loadContract(context, version);
  yield room.duration(50);
  if (hasDrain) {
    const failure = room.failure(component.name, version, "undrain");
    if (failure !== undefined) {
      undrainLater(room, component, run);
      throw new TaskFailure(failure.exitCode, failure.reason, "simulated");
    }
    component.isDrained = false;
  }
  component.drained = undefined;
  return hasDrain ? "in service" : "nothing-to-drain";
}

/** The run's trial is over, or there was none: nobody else would bring it back, so the host goes on trying, also after a boot. */
function undrainLater(room: MachineRoom, component: ComponentTruth, run: string): void {
  const { drained, trial } = component;
  if (drained?.run !== run || (trial?.run === run && trial.state !== "reverted")) return;
  component.drained = { ...drained, isWanted: true };
  if (component.undrainer?.isAlive !== true)
    component.undrainer = room.start(
      () => undrainWithRetries(room, component),
      () => undefined,
    );
}

/** Until another run drains it; tried for a day, with pauses up to a minute. */
export function* undrainWithRetries(room: MachineRoom, component: ComponentTruth): Work<boolean> {
  const run = component.drained?.run;
  for (let tries = 1; tries <= 1_500 && component.drained?.run === run; tries++) {
    if (yield* undrain(room, component)) return true;
    yield Math.min(tries, 60) * 1_000;
  }
  return component.drained?.run !== run;
}

/** After a way back without the controller; false while the undo fails. */
export function* undrain(room: MachineRoom, component: ComponentTruth): Work<boolean> {
  const { drained, trial } = component;
  if (drained === undefined) return true;
  const isLeftBehind = drained.isWanted === true || drained.bootId !== room.truth.bootId;
  if (trial?.run === drained.run ? trial.state !== "reverted" : !isLeftBehind) return true;
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
