// A host's part of a restore point: what it says of it, and how it is put back. As host/restore-point.sh has it.
import { digestOf } from "../../model/digest.ts";
import type { ClockReading } from "../../model/restore-point.ts";
import { type TaskContext, TaskFailure, type Work } from "./machine-room.ts";
import { trialRun } from "./trial.ts";
import type { HostTruth } from "./truth.ts";

const mostWaitMs = 60_000;

/** Waits for the moment that was agreed. */
export function* pointWait({ room, options }: TaskContext): Work<void> {
  const left = Number(options.at ?? 0) * 10 - room.uptime();
  if (left > mostWaitMs) throw new TaskFailure(64, "bad-request", "at is more than 60 s away");
  if (left > 0) yield left;
}

/** Keeps and says what was taken since `fromMs`. */
export function pointReport({ room, component, run, options }: TaskContext, fromMs: number): string {
  const { current } = component;
  const words = {
    point: options.point ?? "",
    version: current ?? "-",
    tree: current === undefined ? "-" : room.treeOf(component.name, current),
    state: digestOf(component.data),
    from: Math.floor(fromMs / 10),
    to: Math.floor(room.uptime() / 10),
    wall: 0,
    "boot-id": bootUuid(room.truth),
  };
  const said = Object.entries(words).map(([key, value]) => `${key}=${value}`);
  const line = `part ${said.join(" ")}`;
  component.parts.set(run, { point: words.point, line, restored: false });
  return line;
}

/** Once, by us or by the way back of the run's trial. */
export function* pointPutBack(context: TaskContext, saved: string): Work {
  const { room, component, options } = context;
  const run = trialRun(context);
  const part = component.parts.get(run);
  if (part?.point !== options.point) throw new TaskFailure(65, "point-differs", `the backup is of ${part?.point}`);
  const { trial } = component;
  if (trial?.run === run && trial.state !== "reverted")
    throw new TaskFailure(75, "trial-open", "take the switch back first");
  if (trial?.run === run && trial.restored) return "restored by the way back";
  if (part?.restored) return "restored already";
  yield room.duration(60);
  component.data = saved;
  if (part !== undefined) component.parts.set(run, { ...part, restored: true });
  return "restored";
}

export function readClock(truth: HostTruth, uptimeMs: number): ClockReading {
  return { uptimeCs: Math.floor(uptimeMs / 10), bootId: bootUuid(truth) };
}

function bootUuid({ bootId }: HostTruth): string {
  const hex = digestOf(bootId).slice("sha256:".length);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
