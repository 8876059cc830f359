// Policy `approval: plan-hash`: a release runs when a signed commit names its plan, and only what that plan was (R4, P12).
import { approvalTrailer } from "../model/approval-trailer.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Trust } from "../model/trust.ts";
import { beyondApproved, type IntentDifference } from "../plan/compare-intent.ts";
import type { UpgradeAtlas } from "../plan/find-way.ts";
import { taskWords } from "../plan/host-tasks.ts";
import { intentOf } from "../plan/plan-hash.ts";
import { stretchesOf } from "../plan/stretches.ts";
import { makeAppender } from "../run/append.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { inForceSince } from "./accept-commit.ts";
import type { Controller, ControllerSettings } from "./controller.ts";
import type { LoadedVersion } from "./load-published.ts";
import { type NamedPlan, type NamedPlans, namedPlans } from "./named-plans.ts";
import { planFromStatuses } from "./plan-from-statuses.ts";
import { readStatuses } from "./publish-status.ts";

const approvalStream = (release: string): string => `approval/${release}`;

export type Approved = Extract<EventBody, { kind: "plan-approved" }>;

export type Approval =
  /** The policy does not ask for it, or there is nothing to do. */
  | { readonly kind: "not-needed" }
  /** `isNew`: not journaled yet. */
  | { readonly kind: "approved"; readonly by: Approved; readonly isNew: boolean }
  | ApprovalTrouble;

export interface ApprovalTrouble {
  readonly kind: "stalled";
  readonly reason: "ApprovalMissing" | "PlanDiffers" | "HostDrifted";
  /** One sentence a line: what is missing or differs. */
  readonly lines: readonly string[];
  /** The line that the message of a commit needs; undefined where no approval would help. */
  readonly trailer: string | undefined;
  /** The next command; an empty commit on top has the same documents, so the same generation. */
  readonly next: string;
}

export interface ApprovalInput {
  readonly release: DesiredRelease;
  readonly plan: Plan;
  readonly desired: Pick<Desired, "commit" | "generation" | "hosts" | "procedure">;
  readonly versions: ReadonlyMap<string, LoadedVersion>;
  /** What stepping stones were looked for by. */
  readonly atlas?: UpgradeAtlas | undefined;
  readonly trust: Pick<Trust, "commitSigners">;
  /** Kept from pass to pass by a process that makes many. */
  readonly known?: KnownTrailers;
}

/** What commits name, and what was reviewed by that, for the plan of each release that was judged last. */
export type KnownTrailers = Map<string, { readonly about: string; readonly found: Promise<FoundTrailers> }>;

type FoundTrailers = NamedPlans & { readonly reviewed: Agreed | undefined };
type Agreed = Pick<Approved, "hash" | "commit" | "changes" | "tasks" | "contracts">;

type Judge = Pick<Controller, "journal" | "repository"> & { readonly settings: Pick<ControllerSettings, "directory"> };

/** Reads only. `desired.commit` must be an accepted commit, or one that would be. */
export async function judgeApproval(controller: Judge, input: ApprovalInput): Promise<Approval> {
  const { release, plan, desired } = input;
  // Healing and committing what was brought before decides nothing new.
  const decides = beyondApproved(plan, []).length > 0;
  if (release.policy.approval === "merge" || !decides) return { kind: "not-needed" };
  // Somebody changed a host behind our back since: not even the rest runs until a person has looked (R4).
  const drifted = hostDrifted(plan);
  if (drifted !== undefined) return drifted;
  const { agreed, newest } = await approvedBefore(controller, input);
  if (agreed !== undefined) return { kind: "approved", by: agreed, isNew: false };
  const { named, misplaced, reviewed } = await trailersFor(controller, input);
  if (reviewed !== undefined && differences(input, reviewed).length === 0) {
    const { generation } = desired;
    return {
      kind: "approved",
      by: { kind: "plan-approved", release: release.name, generation, ...reviewed },
      isNew: true,
    };
  }
  const known = reviewed ?? newest;
  if (known !== undefined) return trouble(plan, "PlanDiffers", differences(input, known));
  if (named.length === 0) return trouble(plan, "ApprovalMissing", [missingText(misplaced)]);
  return trouble(plan, "PlanDiffers", otherPlans(plan, named));
}

/** Journals an approval that was found just now: it holds for every later pass of the generation. */
export async function keepApproval(
  controller: Pick<Controller, "journal" | "clock">,
  approval: Approval,
): Promise<void> {
  if (approval.kind !== "approved" || !approval.isNew) return;
  const stream = approvalStream(approval.by.release);
  const last = (await controller.journal.newest(stream))?.sequence ?? 0;
  await makeAppender({ ...controller, stream, last }).append(approval.by);
}

/** Whether plans of these documents run under an approval by hash. */
export async function isApprovedByHash(
  { journal }: Pick<Controller, "journal">,
  { release, generation }: { readonly release: string; readonly generation: string },
): Promise<boolean> {
  const newest = await journal.tail(approvalStream(release), newestApprovals);
  return newest.some((event) => event.kind === "plan-approved" && event.generation === generation);
}

/** For statuses: one text, the same for the same plan. */
export function approvalMessage({ lines, trailer, next }: ApprovalTrouble): string {
  const way =
    trailer === undefined
      ? `nothing runs until each of these is as it was committed again, or is left out of the plan (${next})`
      : `to approve the plan as it is: a signed commit on top with the trailer ${trailer} (${next})`;
  return `${lines.join("; ")}; ${way}`;
}

function hostDrifted({ held }: Plan): ApprovalTrouble | undefined {
  const drifted = held.filter(({ reason }) => reason === "drifted");
  const [first] = drifted;
  if (first === undefined) return undefined;
  const found = drifted.map(({ host, component = "", evidence }) => ({ host, component, text: evidence }));
  const next = `cutover hold ${first.host} --reason 'somebody changed it'`;
  return { kind: "stalled", reason: "HostDrifted", lines: folded(found), trailer: undefined, next };
}

function missingText(misplaced: string | undefined): string {
  if (misplaced === undefined) return "no signed commit names this plan";
  return `no signed commit names this plan; commit ${misplaced.slice(0, 12)} does it outside its trailers, the last paragraph of its message`;
}

function otherPlans({ hash }: Plan, named: readonly NamedPlan[]): string[] {
  const byCommit = [...Map.groupBy(named.slice(0, shownLines), ({ commit }) => commit)];
  const names = byCommit.map(([commit, plans]) => `commit ${commit.slice(0, 12)} names ${plans.map((each) => short(each.hash)).join(", ")}`); // biome-ignore format: one line
  return [`${names.join(", ")}, and the plan is ${short(hash)} by now: review it again`];
}

/** As many approvals of the same documents are looked at; older ones are found by their trailers again. */
const newestApprovals = 10;

/** Approvals since these documents came into force: who brings them back after others needs a new one. */
async function approvedBefore(
  { journal }: Judge,
  input: ApprovalInput,
): Promise<{ readonly agreed?: Approved; readonly newest?: Approved }> {
  const { release, desired } = input;
  const since = await inForceSince(journal, desired.generation);
  if (since === undefined) return {};
  let newest: Approved | undefined;
  // The newest one mostly says it; one of a large fleet is large.
  for (const count of [1, newestApprovals]) {
    const events = await journal.tail(approvalStream(release.name), count);
    const found = events.flatMap((event) =>
      event.kind === "plan-approved" && event.generation === desired.generation && event.at >= since ? [event] : [],
    );
    newest = found.at(-1);
    const agreed = found.findLast((approved) => differences(input, approved).length === 0);
    if (agreed !== undefined) return { agreed, newest: agreed };
    if (found.length < count) break;
  }
  return newest === undefined ? {} : { newest };
}

/** The same commit and plan are looked up once a process: what a commit names does not change. */
function trailersFor(controller: Judge, input: ApprovalInput): Promise<FoundTrailers> {
  const { release, plan, desired, known } = input;
  const about = `${desired.commit} ${plan.hash}`;
  const before = known?.get(release.name);
  if (before?.about === about) return before.found;
  const found = findTrailers(controller, input);
  known?.set(release.name, { about, found });
  found.catch(() => known?.delete(release.name));
  return found;
}

async function findTrailers(controller: Judge, input: ApprovalInput): Promise<FoundTrailers> {
  const { plan, desired, trust } = input;
  const { repository, settings } = controller;
  const where = { directory: settings.directory, signers: trust.commitSigners, sought: plan.hash };
  const found = await namedPlans(repository, { desired, ...where });
  return { ...found, reviewed: await reviewedPlan(controller, input, found.named) };
}

/** As far back as the state that somebody reviewed is looked for. */
const newestStatuses = 10;

/**
 * What the named plan means to do: it is the present one, or one that follows from a status that we published, which is what
 * a reviewer saw. Its hash proves that it is that very plan.
 */
async function reviewedPlan(
  { journal }: Judge,
  { plan, release, desired, versions, atlas }: ApprovalInput,
  named: readonly NamedPlan[],
): Promise<Agreed | undefined> {
  if (named.length === 0) return undefined;
  const commits = new Map(named.map(({ hash, commit }) => [hash, commit]));
  const agreeing = (to: Plan): Agreed | undefined => {
    const commit = commits.get(to.hash);
    if (commit === undefined) return undefined;
    const { hash, contracts = {} } = to;
    return { hash, commit, changes: intentOf(to), tasks: tasksOf(to, versions), contracts };
  };
  const present = agreeing(plan);
  if (present !== undefined) return present;
  const states = await readStatuses({ journal }, { release: release.name, count: newestStatuses });
  for (const statuses of [...states.map((status) => [status]), []]) {
    const then = agreeing(planFromStatuses({ release, desired, versions, atlas, statuses }).plan);
    if (then !== undefined) return then;
  }
  return undefined;
}

/** What the plan would do beyond the approved one, a line each. A version may have been published again with other tasks. */
function differences(
  { plan, versions }: Pick<ApprovalInput, "plan" | "versions">,
  { changes, tasks: agreed, contracts = {} }: Pick<Approved, "changes" | "tasks" | "contracts">,
): string[] {
  const words = Object.entries(tasksOf({ changes: plan.changes, waiting: [] }, versions));
  const reviewed = words.filter(([version]) => agreed[version] !== undefined);
  return [
    ...folded(beyondApproved(plan, changes)),
    ...reviewed
      .filter(([version, does]) => agreed[version] !== does)
      .map(([version, does]) => `${version} does ${does}, and ${agreed[version]} was reviewed`),
    ...reviewed
      .filter(([version]) => contracts[version] !== plan.contracts?.[version])
      .map(([version]) => `${version} has another task bundle or contract than the one that was reviewed`),
  ];
}

function tasksOf(plan: Pick<Plan, "changes" | "waiting">, versions: ApprovalInput["versions"]): Approved["tasks"] {
  // A way over stepping stones is agreed to whole.
  const stretches = intentOf(plan).flatMap(stretchesOf);
  const first = new Map(stretches.map((change) => [`${change.component}@${change.to}`, change]));
  return Object.fromEntries(
    [...first].flatMap(([key, change]) => {
      const published = versions.get(key)?.published;
      return published === undefined ? [] : [[key, taskWords(published, change).join(", ")] as const];
    }),
  );
}

function trouble(plan: Plan, reason: "ApprovalMissing" | "PlanDiffers", lines: readonly string[]): ApprovalTrouble {
  const trailer = approvalTrailer(plan.hash);
  const next = `git commit --allow-empty -S -m 'Approve the plan of ${plan.release}' --trailer '${trailer}' && git push`;
  return { kind: "stalled", reason, lines, trailer, next };
}

const shownLines = 10;

/** `web1..web4 shop: starts at …`, hosts with the same difference together. */
function folded(differences: readonly IntentDifference[]): string[] {
  const groups = Map.groupBy(differences, ({ component, text }) => `${component}: ${text}`.replace(/^: /, ""));
  const lines = [...groups].map(
    ([text, group]) =>
      `${foldHosts(
        group.map(({ host }) => host),
        { ranges: 8 },
      )} ${text}`,
  );
  const left = lines.length - shownLines;
  return left > 0 ? [...lines.slice(0, shownLines), `and ${left} more differences`] : lines;
}

function short(hash: string): string {
  return hash.slice(0, "sha256:".length + 12);
}
