// One pass by the real command line in a process of its own, measured from outside, with its events and its profile.
import { fileURLToPath } from "node:url";
import type { Profile } from "../../src/model/profile.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { type Measured, measured } from "./measure.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface MeasuredPass extends Measured {
  readonly events: readonly JournalEvent[];
  readonly profile: Profile | undefined;
  /** Paths of the profile's files. */
  readonly files: readonly string[];
  /** From the plan to the end of the run. */
  readonly runSeconds: number;
  /** Hosts whose last step ended well. */
  readonly done: number;
  /** Payload bytes over all hosts. */
  readonly bytesSent: number;
}

/** Throws unless the pass ran; a host that was left alone is missing in `done`. */
export async function reconcileOnce(
  config: string,
  { profileTo, timeoutMs = 600_000 }: { readonly profileTo?: string; readonly timeoutMs?: number } = {},
): Promise<MeasuredPass> {
  const profile = profileTo === undefined ? [] : ["--profile", profileTo];
  const ran = await measured([process.execPath, main, "reconcile", "--once", "--json", "-c", config, ...profile], {
    timeoutMs,
    exitCodes: [0, 2],
  });
  const lines = ran.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly kind: string });
  const events = lines.filter(({ kind }) => kind !== "pass" && kind !== "profile") as unknown as JournalEvent[];
  const last = lines.find(({ kind }) => kind === "profile") as
    | (Profile & { files: Record<string, string> })
    | undefined;
  const at = (kind: JournalEvent["kind"]) => events.find((event) => event.kind === kind)?.at ?? 0;
  return {
    ...ran,
    events,
    profile: last,
    files: Object.values(last?.files ?? {}),
    runSeconds: (at("run-ended") - at("run-planned")) / 1_000,
    done: events.filter((event) => event.kind === "host-ended" && event.step === "commit" && event.outcome === "done")
      .length,
    bytesSent: events.reduce((sum, event) => (event.kind === "delivered" ? sum + event.bytes : sum), 0),
  };
}

/** Seconds of each step, in order. */
export function stepSeconds(events: readonly JournalEvent[]): { readonly step: string; readonly seconds: number }[] {
  return events.flatMap((event) => {
    if (event.kind !== "step-started") return [];
    const end = events.find((other) => other.kind === "step-ended" && other.step === event.step);
    return end === undefined ? [] : [{ step: event.step, seconds: (end.at - event.at) / 1_000 }];
  });
}
