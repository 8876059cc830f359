// The runs that have not ended, from the journal alone: what each of them holds, and since when.
import type { RunId } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";
import { replayRun, runStream } from "../run/replay.ts";
import { type OpenTrouble, openTrouble } from "./open-trouble.ts";
import { besideInJournal } from "./standing-runs.ts";
import { type Standing, standingOf } from "./tasks/describe-run.ts";

export interface OpenRunReport {
  readonly run: RunId;
  readonly release: string;
  readonly startedAt: number;
  /** Time of its newest event. */
  readonly at: number;
  /** What it brings where: nothing else of these moves until it has ended. */
  readonly claims: readonly { readonly component: string; readonly to: string; readonly hosts: readonly string[] }[];
  readonly standing: Standing;
  /** Why it has not ended. */
  readonly trouble: OpenTrouble;
}

/** Oldest first. */
export async function readOpenRuns(journal: JournalPort): Promise<OpenRunReport[]> {
  const found: OpenRunReport[] = [];
  const beside = await besideInJournal(journal);
  for (const { run, planned } of beside.open) {
    const { release, changes } = planned.plan;
    const versions = Map.groupBy(changes, ({ component, to }) => `${component}@${to}`);
    const claims = [...versions.values()].flatMap((group) => {
      const [first] = group;
      return first === undefined
        ? []
        : [{ component: first.component, to: first.to, hosts: group.map(({ host }) => host) }];
    });
    const at = (await journal.newest(runStream(run)))?.at ?? planned.at;
    const state = beside.hear(run, (await replayRun(journal, run)).state);
    const trouble = openTrouble({ run, state });
    // It may have ended since.
    if (trouble === undefined) continue;
    found.push({ run, release, startedAt: planned.at, at, claims, standing: standingOf(state), trouble });
  }
  return found;
}
