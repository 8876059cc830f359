// Switches by the journal's word: which process and version served before and after, as the host itself said.
import type { JournalEvent } from "../../model/run-event.ts";

export interface SwitchSeen {
  /** `undo`: the way back of a switch that was not kept. */
  readonly action: "do" | "undo";
  readonly oldPid: string;
  readonly newPid: string;
  readonly from: string;
  readonly to: string;
  /** From the host's taking up the task to its word that it is done. */
  readonly ms: number;
  /** Processes that did not end in time: what they had under way is what clients lost. */
  readonly killed?: number;
}

/** The switches of a component on a host that are done, in order; undefined fields never: what the host did not say is `unknown`. */
export function switchesIn(
  events: readonly JournalEvent[],
  { host, component }: { readonly host: string; readonly component: string },
): readonly SwitchSeen[] {
  return events.flatMap((event) => {
    if (event.kind !== "task" || event.event.task !== `${host}/${component}/switch` || event.event.state !== "done")
      return [];
    const { action, evidence, durationMs } = event.event;
    // The last line of its kind: of an undo's long evidence only the end is kept.
    const found = [...evidence.matchAll(/\bold-pid=(\S+) new-pid=(\S+) from=(\S+) to=(\S+)(.*)/g)].at(-1) ?? [];
    const [, oldPid = "unknown", newPid = "unknown", from = "unknown", to = "unknown", more = ""] = found;
    const killed = [...more.matchAll(/ killed=\S+ after /g)].length;
    return [{ action, oldPid, newPid, from, to, ms: durationMs, ...(killed === 0 ? {} : { killed }) }];
  });
}

/**
 * Why this is no switch, in one sentence; undefined when it is one. `sameProcess` allows that the main process stays (strategy
 * reload): then the version must be another.
 */
export function notSwitched(seen: SwitchSeen, { sameProcess }: { readonly sameProcess: boolean }): string | undefined {
  const said = `${seen.from} (pid ${seen.oldPid}) to ${seen.to} (pid ${seen.newPid})`;
  if (seen.from === seen.to) return `the version is the same as before: ${said}`;
  // What is taken back may have ended by itself.
  if (seen.action === "do" && !/^\d+$/.test(seen.oldPid)) return `nobody knows what ran before the switch: ${said}`;
  if (!/^\d+$/.test(seen.newPid)) return `nothing runs after the switch: ${said}`;
  if (seen.newPid === seen.oldPid && !sameProcess) return `the process is the same as before: ${said}`;
  return undefined;
}
