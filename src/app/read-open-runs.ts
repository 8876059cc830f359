// The runs that have not ended, from the journal alone: what each of them holds, and since when.
import type { RunId } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";
import { openRuns, runStream } from "../run/replay.ts";

export interface OpenRunReport {
  readonly run: RunId;
  readonly release: string;
  readonly startedAt: number;
  /** Time of its newest event. */
  readonly at: number;
  /** What it brings where: nothing else of these moves until it has ended. */
  readonly claims: readonly { readonly component: string; readonly to: string; readonly hosts: readonly string[] }[];
}

/** Oldest first. */
export async function readOpenRuns(journal: JournalPort): Promise<OpenRunReport[]> {
  const found: OpenRunReport[] = [];
  for (const run of await openRuns(journal)) {
    const [planned] = await journal.read(runStream(run), ["run-planned"]);
    if (planned?.kind !== "run-planned") continue;
    const { release, changes } = planned.plan;
    const versions = Map.groupBy(changes, ({ component, to }) => `${component}@${to}`);
    const claims = [...versions.values()].flatMap((group) => {
      const [first] = group;
      return first === undefined
        ? []
        : [{ component: first.component, to: first.to, hosts: group.map(({ host }) => host) }];
    });
    const at = (await journal.newest(runStream(run)))?.at ?? planned.at;
    found.push({ run, release, startedAt: planned.at, at, claims });
  }
  return found;
}
