// A host's part of a restore point: when it is taken, and what it says of it. As host/restore-point.sh has it.
import { digestOf } from "../../model/digest.ts";
import type { ClockReading } from "../../model/restore-point.ts";
import { type TaskContext, TaskFailure, type Work } from "./machine-room.ts";
import type { BackupTruth, HostTruth } from "./truth.ts";

const mostWaitMs = 60_000;

/** Waits for the moment that was agreed. */
export function* pointWait({ room, options }: TaskContext): Work<void> {
  const left = Number(options.at ?? 0) * 10 - room.uptime();
  if (left > mostWaitMs) throw new TaskFailure(64, "bad-request", "at is more than 60 s away");
  if (left > 0) yield left;
}

/** What is said of what was taken since `fromMs`. */
export function describePart({ room, component, options }: TaskContext, fromMs: number): BackupTruth["part"] {
  const { point } = options;
  if (point === undefined) return undefined;
  const { current } = component;
  const words = {
    point,
    version: current ?? "-",
    tree: current === undefined ? "-" : room.treeOf(component.name, current),
    state: digestOf(component.data),
    from: Math.floor(fromMs / 10),
    to: Math.floor(room.uptime() / 10),
    wall: 0,
    "boot-id": bootUuid(room.truth),
  };
  const said = Object.entries(words).map(([key, value]) => `${key}=${value}`);
  return { point, line: `part ${said.join(" ")}` };
}

export function readClock(truth: HostTruth, uptimeMs: number): ClockReading {
  return { uptimeCs: Math.floor(uptimeMs / 10), bootId: bootUuid(truth) };
}

function bootUuid({ bootId }: HostTruth): string {
  const hex = digestOf(bootId).slice("sha256:".length);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
