// Where everything stands, from the journal alone: works beside a running `serve`, and when git or hosts cannot be reached.
import type { EventBody, RunOutcome } from "../model/run-event.ts";
import { type Status, stateOf } from "../model/status.ts";
import type { JournalPort } from "../ports.ts";
import { replayRun, runStream } from "../run/replay.ts";
import { namesInForce } from "./accept-commit.ts";
import { allBackOffs, type BackOff } from "./back-off.ts";
import type { Controller } from "./controller.ts";
import { type QuarantineEntry, type RefusedCommit, recall } from "./controller-memory.ts";
import { type WaitingGate, waitingGates } from "./gates.ts";
import { type GoneRelease, partGone } from "./gone-releases.ts";
import { readStatusStream } from "./publish-status.ts";
import { type OpenRunReport, readOpenRuns } from "./read-open-runs.ts";

export interface StatusReport {
  /** The newest status of every release that this controller reconciled and git asks for. */
  readonly releases: readonly Status[];
  /** Those that git does not ask for any more, while hosts run what they brought. */
  readonly gone: readonly GoneRelease[];
  readonly quarantined: readonly QuarantineEntry[];
  /** A hold without a host holds the whole fleet. */
  readonly holds: readonly { readonly host: string | undefined; readonly reason: string }[];
  readonly lastRun: LastRun | undefined;
  /** Runs that have not ended, oldest first: several go on side by side where their claims do not meet. */
  readonly openRuns: readonly OpenRunReport[];
  /** The newest commit, when it was refused. */
  readonly refused: (RefusedCommit & { readonly inForce: string | undefined }) | undefined;
  /** Plans that failed and wait for their next try by `serve`. */
  readonly backOffs: readonly BackOff[];
  /** Gates at which runs wait for a person. */
  readonly gates: readonly WaitingGate[];
}
interface LastRun {
  readonly run: string;
  readonly release: string;
  /** Undefined while it is open. */
  readonly outcome: RunOutcome | undefined;
  readonly reason: string;
  readonly startedAt: number;
  /** Time of its newest event. */
  readonly at: number;
  /** Patches that hosts would not build from; they got the full artifact. A damaged base is worth a look of its own. */
  readonly refusedPatches: readonly RefusedPatch[];
}
type RefusedPatch = Pick<
  Extract<EventBody, { kind: "patch-refused" }>,
  "host" | "component" | "version" | "reason" | "evidence"
>;

export async function readStatus(journal: JournalPort, settings: Controller["settings"]): Promise<StatusReport> {
  const memory = await recall({ journal, settings });
  const statuses: Status[] = [];
  for (const stream of await journal.streams("status/")) {
    const { last } = await readStatusStream({ journal }, stream.slice("status/".length));
    if (last) statuses.push(last);
  }
  const { releases, gone } = partGone(statuses, await namesInForce(journal));
  const holds = [...memory.holds].map(([host, reason]) => ({ host: host === "*" ? undefined : host, reason }));
  const { refused, acceptedCommit: inForce } = memory;
  // A release whose newest status is about another plan has left its failed one behind.
  const current = new Set(releases.map(({ release, planHash }) => `${release} ${planHash}`));
  const backOffs = (await allBackOffs({ journal, settings }, "after-a-pause")).filter(
    ({ release, planHash }) => current.has(`${release} ${planHash}`) && !isReady(releases, release),
  );
  return {
    releases,
    gone,
    quarantined: [...memory.quarantined.values()],
    holds,
    lastRun: await lastRunOf(journal),
    openRuns: await readOpenRuns(journal),
    refused: refused && { ...refused, inForce },
    backOffs,
    gates: await waitingGates(journal),
  };
}

function isReady(releases: readonly Status[], name: string): boolean {
  const status = releases.find(({ release }) => release === name);
  return status !== undefined && stateOf(status).type === "Ready" && stateOf(status).status === "True";
}

async function lastRunOf(journal: JournalPort): Promise<LastRun | undefined> {
  const run = (await journal.streams("run/")).at(-1)?.slice("run/".length);
  if (run === undefined) return undefined;
  const { state } = await replayRun(journal, run);
  const events = await journal.read(runStream(run));
  return {
    run,
    release: state.plan?.release ?? "release",
    outcome: state.outcome,
    reason: state.reason,
    startedAt: events[0]?.at ?? 0,
    at: events.at(-1)?.at ?? 0,
    refusedPatches: events.flatMap((event) => {
      if (event.kind !== "patch-refused") return [];
      const { host, component, version, reason, evidence } = event;
      return [{ host, component, version, reason, evidence }];
    }),
  };
}
