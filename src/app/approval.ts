// Policy `approval: plan-hash`: a release runs when a signed commit names its plan, and only what that plan was (R4, P12).
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import type { EventBody } from "../model/run-event.ts";
import { Status } from "../model/status.ts";
import { beyondApproved, type IntentDifference } from "../plan/compare-intent.ts";
import { taskWords } from "../plan/host-tasks.ts";
import { intentOf } from "../plan/plan-hash.ts";
import { makeAppender } from "../run/append.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import type { Controller } from "./controller.ts";
import type { LoadedVersion } from "./load-published.ts";
import { readStatuses } from "./publish-status.ts";
import { planFromStatuses } from "./review-plan.ts";

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
  readonly reason: "ApprovalMissing" | "PlanDiffers";
  /** One sentence a line: what is missing or differs. */
  readonly lines: readonly string[];
  /** The line that the message of a commit needs. */
  readonly trailer: string;
  /** The next command; an empty commit on top has the same documents, so the same generation. */
  readonly next: string;
}

export interface ApprovalInput {
  readonly release: DesiredRelease;
  readonly plan: Plan;
  readonly desired: Pick<Desired, "commit" | "generation">;
  readonly versions: ReadonlyMap<string, LoadedVersion>;
}

type Judge = Pick<Controller, "journal" | "repository">;

/** Reads only. `desired.commit` must be an accepted commit, or one that would be. */
export async function judgeApproval(controller: Judge, input: ApprovalInput): Promise<Approval> {
  const { release, plan, desired } = input;
  // Healing and committing what was brought before decides nothing new.
  const decides = beyondApproved(plan, []).length > 0;
  if (release.policy.approval === "merge" || !decides) return { kind: "not-needed" };
  // Somebody changed a host behind our back since: not even the rest runs until a person has looked (R4).
  const drifted = plan.held.filter(({ reason }) => reason === "drifted");
  if (drifted.length > 0) {
    const found = drifted.map(({ host, component = "", evidence }) => ({ host, component, text: evidence }));
    const [first] = drifted;
    return { ...trouble(plan, "PlanDiffers", folded(found)), next: `cutover host check ${first?.host ?? ""}` };
  }
  const before = await approvalsOf(controller, input);
  const agreed = before.find((approved) => differences(input, approved).length === 0);
  if (agreed !== undefined) return { kind: "approved", by: agreed, isNew: false };
  const named = trailersOf(await controller.repository.message(desired.commit));
  const reviewed = await reviewedPlan(controller, input, named);
  if (reviewed !== undefined && differences(input, reviewed).length === 0) {
    const { commit, generation } = desired;
    const by: Approved = { kind: "plan-approved", release: release.name, generation, commit, ...reviewed };
    return { kind: "approved", by, isNew: true };
  }
  const known = reviewed ?? before.at(-1);
  if (known !== undefined) return trouble(plan, "PlanDiffers", differences(input, known));
  if (named.length === 0) return trouble(plan, "ApprovalMissing", ["no signed commit names this plan"]);
  const others = named.map(short).join(", ");
  return trouble(plan, "PlanDiffers", [
    `commit ${desired.commit.slice(0, 12)} names ${others}, and the plan is ${short(plan.hash)} by now: review it again`,
  ]);
}

/** Journals an approval that was found just now: it holds for every later pass of the generation. */
export async function keepApproval(
  controller: Pick<Controller, "journal" | "clock">,
  approval: Approval,
): Promise<void> {
  if (approval.kind !== "approved" || !approval.isNew) return;
  const stream = approvalStream(approval.by.release);
  const last = (await controller.journal.read(stream)).at(-1)?.sequence ?? 0;
  await makeAppender({ ...controller, stream, last }).append(approval.by);
}

/** For statuses: one text, the same for the same plan. */
export function approvalMessage({ lines, trailer, next }: ApprovalTrouble): string {
  return `${lines.join("; ")}; to approve the plan as it is: a signed commit on top with the trailer ${trailer} (${next})`;
}

/** Hashes that a commit message names, each on a line of its own, as `git commit --trailer` writes it. */
export function trailersOf(message: string): string[] {
  const lines = message.matchAll(/^Cutover-Plan:[ \t]*(sha256:[0-9a-f]{64})[ \t]*\r?$/gim);
  return [...new Set([...lines].flatMap(([, hash = ""]) => hash.toLowerCase()))];
}

/** Approvals of these documents, since they were asked for: who brings them back after others needs a new one. */
async function approvalsOf({ journal }: Judge, { release, desired }: ApprovalInput): Promise<Approved[]> {
  const { generation } = desired;
  const others = (await readStatuses({ journal }, release.name)).find((status) => status.generation !== generation);
  const events = await journal.read(approvalStream(release.name));
  return events.filter(
    (event): event is typeof event & Approved =>
      event.kind === "plan-approved" && event.generation === generation && event.at > (others?.at ?? 0),
  );
}

/** As far back as the state that somebody reviewed is looked for. */
const newestStatuses = 10;

/**
 * What the named plan means to do: it is the present one, or one that follows from a status that we published, which is what
 * a reviewer saw. Its hash proves that it is that very plan.
 */
async function reviewedPlan(
  { journal }: Judge,
  { plan, release, desired, versions }: ApprovalInput,
  named: readonly string[],
): Promise<Pick<Approved, "hash" | "changes" | "tasks"> | undefined> {
  const agreeing = (to: Plan) => ({ hash: to.hash, changes: intentOf(to), tasks: tasksOf(to, versions) });
  if (named.includes(plan.hash)) return agreeing(plan);
  if (named.length === 0) return undefined;
  const states = (await readStatuses({ journal }, release.name))
    .slice(0, newestStatuses)
    .filter((status) => Status.safeParse(status).success)
    .map((status) => [status]);
  for (const statuses of [...states, []]) {
    const then = planFromStatuses({ release, desired, versions, statuses }).plan;
    if (named.includes(then.hash)) return agreeing(then);
  }
  return undefined;
}

/** What the plan would do beyond the approved one, a line each. A version may have been published again with other tasks. */
function differences(
  { plan, versions }: Pick<ApprovalInput, "plan" | "versions">,
  { changes, tasks: agreed }: Pick<Approved, "changes" | "tasks">,
): string[] {
  const tasks = Object.entries(tasksOf({ changes: plan.changes, waiting: [] }, versions)).flatMap(([version, words]) =>
    agreed[version] === undefined || agreed[version] === words
      ? []
      : [`${version} does ${words}, and ${agreed[version]} was reviewed`],
  );
  return [...folded(beyondApproved(plan, changes)), ...tasks];
}

function tasksOf(plan: Pick<Plan, "changes" | "waiting">, versions: ApprovalInput["versions"]): Approved["tasks"] {
  const first = new Map(intentOf(plan).map((change) => [`${change.component}@${change.to}`, change]));
  return Object.fromEntries(
    [...first].flatMap(([key, change]) => {
      const published = versions.get(key)?.published;
      return published === undefined ? [] : [[key, taskWords(published, change).join(", ")] as const];
    }),
  );
}

function trouble(plan: Plan, reason: ApprovalTrouble["reason"], lines: readonly string[]): ApprovalTrouble {
  const trailer = `Cutover-Plan: ${plan.hash}`;
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
