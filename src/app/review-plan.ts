// `cutover plan --base … --head …`: what a merge would cause, from git, signed notes and the artifact repository alone.
// Talks to no host, takes no lease, writes nothing (R4).
import { loadDesired, readDesired } from "../desired/load-desired.ts";
import { CutoverError } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { canonicalJson } from "../model/digest.ts";
import type { Plan } from "../model/plan.ts";
import type { ContractReview, ReleaseReview, Review } from "../model/review.ts";
import type { Trust } from "../model/trust.ts";
import { contractChanges } from "../package/contract-changes.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import { assessRisk } from "../plan/assess-risk.ts";
import { balancersOf } from "../plan/balancer-steps.ts";
import { estimateSteps } from "../plan/estimate-steps.ts";
import { intentOf } from "../plan/plan-hash.ts";
import { stretchesOf } from "../plan/stretches.ts";
import { rememberFleet } from "../status/remember-fleet.ts";
import { refuseLargeBatches } from "./beside-open-runs.ts";
import { refuseBrokenNeedsOnTheWay } from "./check-needs.ts";
import { refuseUnsafeOrder } from "./check-order.ts";
import { refuseMissingPaths } from "./check-paths.ts";
import type { Controller, ControllerSettings } from "./controller.ts";
import { recall } from "./controller-memory.ts";
import { findStatuses, type TrustedStatuses } from "./last-known.ts";
import { loadAtlas } from "./load-atlas.ts";
import { type LoadedVersion, loadPublished, loadVersion, type WantedVersion } from "./load-published.ts";
import { loadRunning } from "./load-running.ts";
import { balancerHosts, hostsOf, planFromStatuses } from "./plan-from-statuses.ts";
import { labelsOf } from "./release-context.ts";
import { isReleaseFailure } from "./release-trouble.ts";
import { trustChangeOf } from "./trust-change.ts";
import { traitsOf } from "./version-traits.ts";
import { withTransfers } from "./with-transfers.ts";

/** The part of a controller that a review needs: no executor, no private key. A whole controller fits. */
export type Reviewer = Pick<Controller, "repository" | "notes" | "artifacts" | "signer"> & {
  readonly clock: Pick<Controller["clock"], "now">;
  readonly journal: Pick<Controller["journal"], "read">;
  readonly settings: Pick<ControllerSettings, "directory" | "firstTrust" | "concurrency">;
};

export interface ReviewInput {
  readonly reviewer: Reviewer;
  /** Branch, tag or commit that the change is to be merged into; the followed branch without it. */
  readonly base?: string | undefined;
  /** Branch, tag or commit of the change. */
  readonly head: string;
}

/**
 * The plan of each release at `head`. Throws RefusedError `commit-not-trusted` when the base is not signed by the Trust in
 * force, and `no-such-ref`; what is wrong with the head is part of the review.
 */
export async function reviewPlan({ reviewer, base, head }: ReviewInput): Promise<Review> {
  const { repository, settings, clock } = reviewer;
  const followed = await repository.fetch();
  const places = {
    base: { ref: base ?? followed.ref, commit: base === undefined ? followed.commit : await repository.resolve(base) },
    head: { ref: head, commit: await repository.resolve(head) },
  };
  const before = await loadBase(reviewer, places.base.commit);
  const signer = await signerOf(reviewer, { commit: places.head.commit, trust: before.trust });
  const about = {
    format: "cutover-review/1" as const,
    base: places.base,
    head: { ...places.head, signer },
    at: clock.now(),
  };
  const after = await readDesired(repository, { commit: places.head.commit, directory: settings.directory }).catch(
    (error: unknown) => {
      if (error instanceof CutoverError && error.disposition !== "retry") return error;
      throw error;
    },
  );
  if (after instanceof CutoverError)
    return {
      ...{ ...about, trustChange: undefined },
      ...{ releases: [], gone: [], failed: [failureOf("", after)], warnings: [] },
    };
  const { desired, trust: said = before.trust } = after;
  const trustChange = trustChangeOf({ from: before.trust, to: said, signer });
  // What nobody accepts decides nothing, not even here.
  const nextTrust = trustChange?.verdict === "refused" ? before.trust : said;
  const warnings = [...(await warningsOf(reviewer, places)), ...after.warnings];
  const statuses = await findStatuses({
    from: reviewer,
    commit: places.base.commit,
    controllerKeys: before.trust.controllerKeys,
    releases: desired.releases.map(({ name }) => name),
  });
  const releases: ReleaseReview[] = [];
  const failed: Review["failed"][number][] = [];
  for (const release of desired.releases) {
    try {
      releases.push(
        await reviewRelease({ reviewer, release, before: before.releases, desired, trust: nextTrust, statuses }),
      );
    } catch (error) {
      if (!isReleaseFailure(error)) throw error;
      failed.push(failureOf(release.name, error));
    }
  }
  const names = new Set(desired.releases.map(({ name }) => name));
  const gone = before.releases.flatMap(({ name }) => (names.has(name) ? [] : [name]));
  return { ...about, trustChange, releases, gone, failed, warnings };
}

interface BaseState {
  readonly trust: Trust;
  readonly releases: readonly DesiredRelease[];
}

/** The Trust that the head is judged by. A base whose documents say nothing yet has only that. */
async function loadBase({ repository, journal, settings }: Reviewer, commit: string): Promise<BaseState> {
  const { trust } = await recall({ journal, settings });
  const { directory } = settings;
  try {
    const { nextTrust, desired } = await loadDesired(repository, { commit, directory, trust });
    return { trust: nextTrust, releases: desired.releases };
  } catch (error) {
    const silent = ["nothing-released", "documents-missing", "documents-invalid"];
    if (!(error instanceof CutoverError) || !silent.includes(error.code)) throw error;
    return { trust, releases: [] };
  }
}

async function signerOf(
  { repository }: Reviewer,
  { commit, trust }: { commit: string; trust: Trust },
): Promise<string | undefined> {
  if (trust.commitSigners.length === 0) return undefined;
  try {
    return (await repository.verifySignature(commit, trust.commitSigners)).signer;
  } catch (error) {
    if (error instanceof CutoverError && error.code === "commit-not-trusted") return undefined;
    throw error;
  }
}

async function warningsOf(
  { repository }: Reviewer,
  { base, head }: Pick<Review, "base"> & { readonly head: Review["base"] },
): Promise<Diagnostic[]> {
  if (await repository.isAncestor(base.commit, head.commit)) return [];
  const message = "the head does not contain the base: after the merge the documents, and so the plan, may be others";
  return [{ severity: "warning", file: "(commit)", line: 1, column: 1, path: "", message }];
}

interface ReleaseInput {
  readonly reviewer: Reviewer;
  readonly release: DesiredRelease;
  /** Releases of the base. */
  readonly before: readonly DesiredRelease[];
  readonly desired: Pick<Desired, "generation" | "releases" | "hosts" | "limits" | "procedure">;
  readonly trust: Trust;
  readonly statuses: TrustedStatuses;
}

async function reviewRelease(input: ReleaseInput): Promise<ReleaseReview> {
  const { reviewer, release, trust, statuses } = input;
  const wanted = release.components.flatMap(({ name, targets }) =>
    targets.map(({ version }) => ({ component: name, version })),
  );
  const known = [...statuses.statuses.values()];
  const components = release.components.map(({ name }) => name);
  const asked = await loadPublished(reviewer, wanted, trust);
  const balancers = balancersOf([...asked.values()].map(({ published }) => published));
  const about = [...hostsOf(release), ...balancerHosts(input.desired, balancers)];
  const remembered = { controller: reviewer, trust, observations: rememberFleet(known, about).observations };
  const running = await loadRunning({ ...remembered, components: [...components, ...balancers], versions: asked });
  const { unreadable } = running;
  const { versions, atlas } = await loadAtlas({
    ...{ ...remembered, release, versions: running.versions },
    now: reviewer.clock.now(),
  });
  const {
    plan: planned,
    hosts,
    observedAt,
    observations,
    published,
    staged,
  } = planFromStatuses({ ...input, versions, atlas, statuses: known, balancers });
  refuseMissingPaths(release.name, staged.paths);
  const { releases } = input.desired;
  refuseBrokenNeedsOnTheWay({ wanted: release, release: staged.release, releases, published, observations });
  const order = { plan: planned, release: staged.release, observations, published, unreadable, trust };
  await refuseUnsafeOrder(reviewer, { ...order, isWayBack: false });
  const { limits = [], hosts: fleet } = input.desired;
  refuseLargeBatches(planned, { limits, labelsOf: labelsOf(fleet) });
  const versionOf = async ({ component, version }: WantedVersion) =>
    versions.get(`${component}@${version}`) ?? loadVersion(reviewer, { component, version, trust });
  const plan = await withTransfers(planned, { controller: reviewer, trust, versionOf, observations });
  const loaded = await withVersionsBefore(input, { plan, versions });
  const timings = known.sort((a, b) => a.at - b.at).flatMap((status) => status.timings ?? []);
  return {
    release: release.name,
    plan,
    totalHosts: hosts.length,
    observedAt,
    stateProblem: stateProblem(release.name, statuses),
    risks: assessRisk({ plan, traits: traitsOf(loaded) }),
    contracts: contractsOf(plan, loaded),
    estimates: estimateSteps({ plan, timings, concurrency: reviewer.settings.concurrency }),
    approval: release.policy.approval,
    isAskedAnew: !input.before.some((each) => canonicalJson(each) === canonicalJson(release)),
  };
}

/** What is wrong with the state, in one sentence; a note that was passed over is said even when an older one counts. */
function stateProblem(release: string, { statuses, problems }: TrustedStatuses): string | undefined {
  const [first, ...more] = problems.filter((problem) => problem.release === release);
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  const ignored = first && `the newest note, on commit ${first.commit.slice(0, 12)}, ${first.text}${others}`;
  if (statuses.has(release)) return ignored && `${ignored}; the newest one that can be trusted counts`;
  const assumed = "hosts count as having nothing of this release installed";
  return ignored === undefined ? `there is no status note yet; ${assumed}` : `${ignored}, and is ignored; ${assumed}`;
}

/** The wanted versions, and those that hosts come from where they can be had. */
async function withVersionsBefore(
  { reviewer, trust }: Pick<ReleaseInput, "reviewer" | "trust">,
  { plan, versions }: { plan: Plan; versions: ReadonlyMap<string, LoadedVersion> },
): Promise<ReadonlyMap<string, LoadedVersion>> {
  const loaded = new Map(versions);
  const before = new Map(
    intentOf(plan).flatMap(({ component, from }) =>
      from === undefined ? [] : [[`${component}@${from}`, { component, version: from, trust }] as const],
    ),
  );
  for (const [key, wanted] of before) {
    if (loaded.has(key)) continue;
    const version = await loadVersion(reviewer, wanted).catch((error: unknown) => {
      if (error instanceof CutoverError) return undefined; // not there any more: nothing to compare with
      throw error;
    });
    if (version !== undefined) loaded.set(key, version);
  }
  return loaded;
}

function contractsOf(plan: Plan, loaded: ReadonlyMap<string, LoadedVersion>): ContractReview[] {
  const contractOf = (component: string, version: string) => {
    const found = loaded.get(`${component}@${version}`);
    return found === undefined ? undefined : parseReleaseMetadata(found.release.metadata).contract;
  };
  const steps = new Map(
    intentOf(plan)
      .flatMap(stretchesOf)
      .map((change) => [[change.component, change.from, change.to].join("\0"), change]),
  );
  return [...steps.values()].flatMap(({ component, from, to }) => {
    if (from === undefined || from === to) return [];
    const [before, after] = [contractOf(component, from), contractOf(component, to)];
    const changes = before === undefined || after === undefined ? [] : contractChanges(before, after);
    return changes.length === 0 ? [] : [{ component, from, to, changes }];
  });
}

function failureOf(release: string, error: CutoverError): Review["failed"][number] {
  const { code, message, evidence = "", remedy = "cutover validate" } = error;
  return { release, code, message, evidence, remedy };
}
