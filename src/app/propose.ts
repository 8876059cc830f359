// `cutover propose`: for versions behind a range, the newest that may be asked for, as a commit on a branch of its own (R66).
// It never touches the branch that is followed: a person merges, and signs.

import { nearest } from "../desired/nearest.ts";
import { type ParsedDocument, parseDocuments } from "../desired/parse-documents.ts";
import { type RangedVersion, rangedVersions } from "../desired/ranges.ts";
import { resolveDesired } from "../desired/resolve-desired.ts";
import { CutoverError, ExitCode, UsageError } from "../errors.ts";
import { formatDiagnostic } from "../model/diagnostic.ts";
import type { BranchTip, CommitWriterPort, RepositoryFile } from "../ports.ts";
import type { Controller } from "./controller.ts";
import { editRelease } from "./edit-release.ts";
import { findNewer, type NewerVersion, type PassedOver, type Sought } from "./newer-version.ts";
import { knownQuarantines, type ProposalBase, trustedBase } from "./proposal-base.ts";
import { branchName, type ProposalPlan, proposalBranch, proposalMessage, proposalTitle } from "./proposal-text.ts";

export interface ProposeInput {
  readonly controller: Controller;
  readonly writer: CommitWriterPort;
  /** Only these components; none means all that have a range. */
  readonly components: readonly string[];
  /** One commit for all, not one a component. */
  readonly together: boolean;
  /** Without it nothing is pushed. */
  readonly push: boolean;
  /** The plan of what merging would cause. `head` is a draft of the commit, with the same files and another message. */
  readonly describe?: (change: {
    readonly base: string;
    readonly head: string;
    readonly branch: string;
    /** The branch that is followed. */
    readonly into: string;
  }) => Promise<ProposalPlan>;
  /** Opens the pull request of a branch that was pushed, or brings the one that is open up to date; gives its address. */
  readonly openPull?: (pull: {
    readonly branch: string;
    readonly base: string;
    readonly title: string;
    readonly body: string;
  }) => Promise<string>;
}

export interface Proposal {
  readonly branch: string;
  readonly title: string;
  /** Of the commit; of the one on the branch when that stays. */
  readonly message: string;
  readonly commit: string;
  readonly versions: readonly NewerVersion[];
  /** `kept`: the branch holds commits of somebody else, and nothing of theirs is overwritten. */
  readonly outcome: "proposed" | "updated" | "there-already" | "not-pushed" | "kept";
  /** Undefined when nobody made one: the proposal was there already, or no plan was asked for. */
  readonly plan: ProposalPlan | undefined;
  /** Address of its pull request, where a forge is known. */
  readonly pull?: string;
}

/** What kept a proposal from being made, pushed or opened. */
export interface FailedProposal {
  readonly branch: string;
  readonly title: string;
  readonly error: CutoverError;
}

export interface Proposed {
  /** The commit that proposals stand on, and the branch that they are for, such as `refs/heads/main`. */
  readonly base: { readonly commit: string; readonly ref: string };
  /** Why that is not the newest commit of the branch; undefined when it is. */
  readonly baseProblem: string | undefined;
  /** Also those that were pushed and whose pull request failed. */
  readonly proposals: readonly Proposal[];
  /** One failure keeps no other proposal from being made. */
  readonly failed: readonly FailedProposal[];
  readonly passedOver: readonly PassedOver[];
  /** Versions with a range that has nothing newer. */
  readonly upToDate: readonly RangedVersion[];
}

/** Safe to repeat: what is proposed already stays as it is. Throws `documents-invalid` of the base, `nothing-within-range`, and what reading the repository throws. */
export async function propose(input: ProposeInput): Promise<Proposed> {
  const { controller, components, together } = input;
  // 1. Which commit may one build on?
  const base = await trustedBase(controller);
  const files = await controller.repository.files(base.commit, controller.settings.directory);
  const documents = readable(base.commit, files);
  // 2. Which versions have a range, and which newer one does it take?
  const asked = chosen(documents, components);
  const { trust } = base.memory;
  const quarantined = await knownQuarantines(controller, base, asked);
  const sought: (Sought & { asked: RangedVersion })[] = [];
  for (const each of asked)
    sought.push({ asked: each, ...(await findNewer({ controller, trust, quarantined }, each)) });
  refuseUnpinnable(sought);
  const newer = sought.flatMap((each) => each.newer ?? []);
  const passedOver = eachOnce(sought.flatMap((each) => each.passedOver));
  // 3. One commit a component, or one for all.
  const proposals: Proposal[] = [];
  const failed: FailedProposal[] = [];
  for (const versions of grouped(newer, together)) {
    const names = new Set(versions.map((version) => version.asked.component));
    const about = passedOver.filter(({ component }) => names.has(component));
    const change = { base, files, versions, passedOver: about };
    const named = { branch: proposalBranch(versions), title: proposalTitle(versions) };
    const proposal = await caught(proposeOne(input, change));
    if (proposal instanceof CutoverError) {
      failed.push({ ...named, error: proposal });
      continue;
    }
    const pull = await caught(openPullOf(input, base.ref, proposal));
    if (pull instanceof CutoverError) failed.push({ ...named, error: pull });
    proposals.push(pull === undefined || pull instanceof CutoverError ? proposal : { ...proposal, pull });
  }
  return {
    base: { commit: base.commit, ref: base.ref },
    baseProblem: base.problem,
    proposals,
    failed,
    passedOver,
    upToDate: sought.filter((each) => each.newer === undefined).map((each) => each.asked),
  };
}

function readable(commit: string, files: readonly RepositoryFile[]): ParsedDocument[] {
  const { documents, diagnostics } = parseDocuments(files);
  if (diagnostics.length > 0) throw invalid(commit, diagnostics.map(formatDiagnostic));
  return documents;
}

/** Versions that are not pinned yet are always among them: without them no commit would be accepted. */
function chosen(documents: readonly ParsedDocument[], components: readonly string[]): RangedVersion[] {
  const ranged = rangedVersions(documents);
  const known = new Set(ranged.map(({ component }) => component));
  for (const name of components) {
    if (known.has(name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined ? `with a range: ${[...known].join(", ") || "none"}` : `did you mean ${near}?`;
    throw new UsageError(
      `No release asks for ${name} with a range; ${hint}`,
      'Write `range: "^1.2"` below its version',
    );
  }
  if (components.length === 0) return ranged;
  return ranged.filter(({ component, pinned }) => components.includes(component) || pinned === undefined);
}

function refuseUnpinnable(sought: readonly (Sought & { readonly asked: RangedVersion })[]): void {
  const empty = sought.find(({ asked, newer }) => asked.pinned === undefined && newer === undefined);
  if (empty === undefined) return;
  const { component, range, file, line, column } = empty.asked;
  const over = empty.passedOver.map(({ version, message }) => `${version}: ${message}`);
  throw new CutoverError({
    code: "nothing-within-range",
    message: `No published version of ${component} is within "${range}" (${file}:${line}:${column})`,
    ...(over.length === 0 ? {} : { evidence: over.join("\n") }),
    impact: "Nothing was proposed; the release that was accepted last stays in force",
    remedy: `cutover publish DIR --component ${component}.yaml --version VERSION`,
  });
}

/** Two selectors may have the same range. */
function eachOnce(passedOver: readonly PassedOver[]): PassedOver[] {
  return [...new Map(passedOver.map((each) => [`${each.component}@${each.version}`, each])).values()];
}

/** What is not pinned yet goes together with everything: one of them alone would leave the others invalid. */
function grouped(newer: readonly NewerVersion[], together: boolean): NewerVersion[][] {
  if (newer.length === 0) return [];
  if (together || newer.some(({ asked }) => asked.pinned === undefined)) return [[...newer]];
  return [...Map.groupBy(newer, ({ asked }) => asked.component).values()];
}

interface Change {
  readonly base: ProposalBase;
  readonly files: readonly RepositoryFile[];
  readonly versions: readonly NewerVersion[];
  readonly passedOver: readonly PassedOver[];
}

async function proposeOne(input: ProposeInput, change: Change): Promise<Proposal> {
  const { controller, writer, push, describe, openPull } = input;
  const { base, versions, passedOver } = change;
  const edited = editFiles(change.files, versions);
  refuseInvalid(base.commit, change.files, edited);
  const branch = proposalBranch(versions);
  const about = { branch, title: proposalTitle(versions), versions };
  const write = (plan: ProposalPlan | undefined) => {
    const message = proposalMessage({ versions, passedOver, plan });
    const request = { parent: base.commit, files: edited, message, at: controller.clock.now() };
    return writer.write(request).then(({ commit, tree }) => ({ message, commit, tree }));
  };
  const draft = await write(undefined);
  const tip = await writer.tip(branch);
  const isThere = tip?.tree === draft.tree;
  const there = async (known: BranchTip) => {
    return { ...about, message: await controller.repository.message(known.commit), commit: known.commit };
  };
  if (tip !== undefined && !isThere && !tip.ours) return { ...(await there(tip)), outcome: "kept", plan: undefined };
  const pulls = push && openPull !== undefined;
  // A plan takes a while; one that nobody would read is not made.
  const plan =
    isThere && !pulls
      ? undefined
      : await describe?.({ base: base.commit, head: draft.commit, branch, into: branchName(base.ref) });
  if (isThere) return { ...(await there(tip)), outcome: "there-already", plan };
  const { message, commit } = plan === undefined ? draft : await write(plan);
  if (!push) return { ...about, message, commit, outcome: "not-pushed", plan };
  if ((await writer.push({ branch, commit, expected: tip?.commit })) === "contended") throw contended(branch);
  const outcome = tip === undefined ? "proposed" : "updated";
  return { ...about, message, commit, outcome, plan };
}

/** The address; undefined where none is meant. A branch that holds somebody else's commits is his to propose. */
async function openPullOf(
  { push, openPull }: ProposeInput,
  ref: string,
  { branch, title, message, plan, outcome }: Proposal,
): Promise<string | undefined> {
  if (!push || openPull === undefined || outcome === "kept") return undefined;
  return openPull({ branch, base: branchName(ref), title, body: plan?.markdown ?? message });
}

/** A deliberate error as a value; anything else is a fault of ours, or the end of the process. */
async function caught<T>(work: Promise<T>): Promise<T | CutoverError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof CutoverError) return error;
    throw error;
  }
}

function editFiles(
  files: readonly RepositoryFile[],
  versions: readonly NewerVersion[],
): { path: string; text: string }[] {
  return files.flatMap(({ path, text }) => {
    const edits = versions.filter(({ asked }) => asked.file === path).map(({ asked, to }) => ({ ...asked, to }));
    return edits.length === 0 ? [] : [{ path, text: editRelease(text, edits) }];
  });
}

/** A commit that could not be accepted is not proposed, whatever else is wrong with the documents. */
function refuseInvalid(
  commit: string,
  files: readonly RepositoryFile[],
  edited: readonly { readonly path: string; readonly text: string }[],
): void {
  const texts = new Map(edited.map(({ path, text }) => [path, text]));
  const documents = readable(
    commit,
    files.map((file) => ({ ...file, text: texts.get(file.path) ?? file.text })),
  );
  const { desired, diagnostics } = resolveDesired({ commit, documents, blobs: [] });
  if (desired !== undefined) return;
  throw invalid(commit, diagnostics.filter(({ severity }) => severity === "error").map(formatDiagnostic));
}

function invalid(commit: string, findings: readonly string[]): CutoverError {
  return new CutoverError({
    code: "documents-invalid",
    message: `Nothing can be proposed on top of commit ${commit.slice(0, 12)}: its documents would not be accepted`,
    exitCode: ExitCode.refused,
    evidence: findings.slice(0, 50).join("\n"),
    impact: "Nothing was proposed",
    remedy: "cutover validate",
  });
}

function contended(branch: string): CutoverError {
  return new CutoverError({
    code: "proposal-contended",
    message: `${branch} was pushed by somebody else at this moment`,
    disposition: "retry",
    remedy: "cutover propose --push",
  });
}
