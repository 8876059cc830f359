// One restore point: several components saved at one moment on their hosts, compared, and taken again when it is torn. Nothing
// has switched yet, so whatever keeps a point from being whole ends the step as failed; no host is ever left unknown by it.
import pMap from "p-map";
import { CutoverError } from "../errors.ts";
import { parseBackupPart } from "../host/protocol.ts";
import type { Host } from "../model/fleet.ts";
import type { HostWork, Plan, Step } from "../model/plan.ts";
import type { RestorePointProblem } from "../model/restore-point.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import { checkRestorePoint, type RestorePointVerdict, type TakenPart } from "../plan/check-restore-point.ts";
import { type HostClock, uptimeAt } from "../plan/compare-clocks.ts";
import { type Clocks, readClocks } from "./read-clocks.ts";
import { type HostStepContext, leaseTaken } from "./run-host-step.ts";
import type { RestorePointState } from "./run-state.ts";
import { staleEpoch } from "./with-patience.ts";

export interface RestorePointContext
  extends Pick<HostStepContext, "executor" | "clock" | "fence" | "record" | "signal"> {
  readonly concurrency: number;
  readonly plan: Pick<Plan, "changes" | "restorePoint">;
  /** What the journal says of it. */
  readonly known: () => RestorePointState | undefined;
  readonly hostOf: (name: string) => Host;
}

/** A torn point is taken so many times; more would only tell what is known. */
export const mostTries = 3;
/** Until every host has its task and stands ready; twice as long with every further try. */
const leadMs = 400;
/** Hosts wait no longer than a minute for the moment that they were told. */
const longestLeadMs = 30_000;

/**
 * Safe to call again after a crash: a point that was taken stands, one that was only begun is taken under another id. Hosts
 * without a task, since a person skips it, are no part of it.
 */
export async function takeRestorePoint(
  context: RestorePointContext,
  step: Step,
  work: readonly HostWork[],
): Promise<void> {
  const meant = work.filter(({ groups }) => groups.flat().length > 0);
  const tries = meant.length === 0 ? 0 : mostTries;
  let last: Tried = { kind: "torn", problems: [], saved: [] };
  for (let tried = 0; tried < tries && context.known()?.taken === undefined; tried += 1) {
    const attempt = (context.known()?.begun ?? 0) + 1;
    const id = `${context.fence.run}.p${attempt}`;
    await context.record({ kind: "restore-point-begun", step: step.id, attempt, id });
    last = await tryOnce(context, { step, work: meant, id, attempt, lead: leadMs * 2 ** tried });
    if (last.kind === "taken") await context.record({ kind: "restore-point-taken", step: step.id, point: last.point });
    else await context.record({ kind: "restore-point-torn", step: step.id, id, problems: last.problems });
  }
  const torn = context.known()?.taken === undefined && last.kind === "torn" ? last : undefined;
  await context.record(
    ...work.flatMap((mine) => {
      const isMeant = meant.includes(mine);
      return endOn(mine, { step: step.id, evidence: torn && isMeant ? whyFailed(torn, mine.host) : undefined });
    }),
  );
}

/** Undefined for a host that did its part, and in time: that the point is torn is not its doing. */
function whyFailed({ problems, saved }: Extract<Tried, { kind: "torn" }>, host: string): string | undefined {
  const mine = problems.filter((each) => each.host === host);
  if (mine.length > 0) return mine.map(({ text }) => text).join("\n");
  return saved.includes(host) ? undefined : `not saved, since ${problems[0]?.text ?? "no part was taken"}`;
}

/** What a host did well for itself has failed all the same when it tore the point: who retries it finds it as failed. */
function endOn(
  { host, groups }: HostWork,
  { step, evidence }: { step: string; evidence: string | undefined },
): EventBody[] {
  if (evidence === undefined) return [{ kind: "host-ended", step, host, outcome: "done", evidence: "" }];
  const failed = { action: "do", state: "failed", durationMs: 0, exitCode: 1, reason: "restore-point-torn", evidence } as const; // biome-ignore format: one line
  const tasks = groups
    .flat()
    .map(({ id }): EventBody => ({ kind: "task", step, host, event: { task: id, ...failed } }));
  return [...tasks, { kind: "host-ended", step, host, outcome: "failed", evidence }];
}

interface Try {
  readonly step: Step;
  readonly work: readonly HostWork[];
  readonly id: string;
  readonly attempt: number;
  readonly lead: number;
}

/** `saved`: hosts that did every task of this try. */
type Tried = Extract<RestorePointVerdict, { kind: "taken" }> | { readonly kind: "torn"; readonly problems: readonly RestorePointProblem[]; readonly saved: readonly string[] }; // biome-ignore format: one line

async function tryOnce(context: RestorePointContext, attempt: Try): Promise<Tried> {
  const hosts = attempt.work.map(({ host }) => context.hostOf(host));
  const before = await readClocks({ ...context, hosts });
  if (before.problems.length > 0) return { kind: "torn", problems: before.problems, saved: [] };
  const waves = Math.ceil(hosts.length / context.concurrency);
  const at = context.clock.now() + Math.min(attempt.lead * waves, longestLeadMs);
  const saved = await pMap(attempt.work, (mine) => saveOn(context, { ...attempt, mine, at, clocks: before }), {
    concurrency: hosts.length, // all of them wait for one moment: a turn that comes later comes too late
    signal: context.signal,
  });
  const problems = saved.flatMap((each) => each.problems);
  const whole = saved.flatMap((each, index) => (each.problems.length === 0 ? (attempt.work[index]?.host ?? []) : []));
  if (problems.length > 0) return { kind: "torn", problems, saved: whole };
  const after = await readClocks({ ...context, hosts });
  if (after.problems.length > 0) return { kind: "torn", problems: after.problems, saved: whole };
  const parts = saved.flatMap((each) =>
    each.parts.map((part): TakenPart => ({ ...part, ...bothClocks(part.host, before, after) })),
  );
  const { restorePoint: terms = { components: [], withinMs: 0 } } = context.plan;
  const verdict = checkRestorePoint({ id: attempt.id, terms, plan: context.plan, parts });
  return verdict.kind === "taken" ? verdict : { ...verdict, saved: whole };
}

function bothClocks(host: string, before: Clocks, after: Clocks): Pick<TakenPart, "before" | "after"> {
  return { before: clockIn(before, host), after: clockIn(after, host) };
}

function clockIn({ clocks }: Clocks, host: string): HostClock {
  const clock = clocks.get(host);
  if (clock === undefined) throw new Error(`${host} was asked for its clock without a result`);
  return clock;
}

interface Saving extends Try {
  readonly mine: HostWork;
  /** Our clock. */
  readonly at: number;
  readonly clocks: Clocks;
}

type Part = Omit<TakenPart, "before" | "after">;

async function saveOn(
  context: RestorePointContext,
  saving: Saving,
): Promise<{ readonly parts: readonly Part[]; readonly problems: readonly RestorePointProblem[] }> {
  const host = context.hostOf(saving.mine.host);
  try {
    const parts = await performOn(context, saving, host);
    const missing = saving.mine.groups.flat().filter(({ component }) => !parts.some((part) => "part" in part && part.component === component)); // biome-ignore format: one line
    const failed = parts.flatMap((each) => ("text" in each ? each : []));
    const silent =
      failed.length > 0 ? [] : missing.map(({ id }) => ({ host: host.name, text: `${id} reported no part` }));
    return { parts: parts.flatMap((each) => ("part" in each ? each : [])), problems: [...failed, ...silent] };
  } catch (error) {
    if (!(error instanceof CutoverError)) throw error;
    if (error.code === staleEpoch) throw leaseTaken(host, error);
    return { parts: [], problems: [{ host: host.name, text: `${host.name}: ${error.message}` }] };
  }
}

async function performOn(
  { executor, fence, record }: RestorePointContext,
  { step, mine, id, attempt, at, clocks }: Saving,
  host: Host,
): Promise<(Part | RestorePointProblem)[]> {
  const options = { point: id, at: String(uptimeAt(clockIn(clocks, host.name), at)) };
  const groups = mine.groups.map((group) => group.map((task): Task => ({ ...task, options })));
  const tasks = new Map(groups.flat().map((task) => [task.id, task]));
  const submission = `${step.id}.p${attempt}`;
  await executor.submit(host, submission, groups, fence);
  await record({ kind: "submitted", step: step.id, host: host.name });
  const found: (Part | RestorePointProblem)[] = [];
  for await (const event of executor.events(host, submission, fence)) {
    const task = tasks.get(event.task);
    if (task === undefined) continue;
    await record({ kind: "task", step: step.id, host: host.name, event });
    if (event.state === "failed" || event.state === "skipped") {
      const said = [event.reason, event.evidence].filter(Boolean).join(": ");
      found.push({ host: host.name, text: `${host.name}/${task.component} was not saved: ${said}` });
    }
    const part = event.state === "done" ? parseBackupPart(event.evidence) : undefined;
    if (part !== undefined) found.push({ host: host.name, component: task.component, contract: task.version, part });
  }
  return found;
}
