// What was known last of hosts that are not asked or do not answer: from our own journal first, then from signed notes.
// For intent and review, never for acting.
import type { LastKnown, Observation } from "../model/observation.ts";
import { signingKeyOf } from "../model/ssh-signature.ts";
import type { Status } from "../model/status.ts";
import { type NoteRecord, noteNamespace, parseNotes } from "../status/note-codec.ts";
import { knownByPlace } from "../status/status-trees.ts";
import type { Controller } from "./controller.ts";
import { readStatusStream } from "./publish-status.ts";

/** As far back as notes are looked for. */
const newestCommits = 500;
/** Signatures that one search verifies, each with a program of its own: an honest note needs one a release. */
const mostVerified = 200;
/** Time for one search; what was found by then counts. */
const searchMs = 60_000;
/** Problems that are kept of one release: more of them say nothing new. */
const mostProblems = 20;

export interface TrustedStatuses {
  /** Newest status of each release that a controller key signed. */
  readonly statuses: ReadonlyMap<string, Status>;
  /** Records of the asked releases that were passed over, newest first, 20 a release; each with what is wrong with it, such as `is not signed`. */
  readonly problems: readonly { readonly release: string; readonly commit: string; readonly text: string }[];
}

export interface StatusSearch {
  readonly from: Pick<Controller, "repository" | "notes" | "signer">;
  /** Notes of this commit and its first parents count. */
  readonly commit: string;
  readonly controllerKeys: readonly string[];
  /** The search ends when each of these has a status; all commits are looked at for one that has none. */
  readonly releases: readonly string[];
}

/**
 * Only what a controller key signed, for the very commit that bears it, counts (T33). Whoever writes notes can make the search
 * end early, which is said as a problem of each release that it had not found.
 */
export async function findStatuses({ from, commit, controllerKeys, releases }: StatusSearch): Promise<TrustedStatuses> {
  const { repository, notes, signer } = from;
  const statuses = new Map<string, Status>();
  const problems = new Map(releases.map((release) => [release, [] as TrustedStatuses["problems"][number][]]));
  const passOver = (release: string, problem: { readonly commit: string; readonly text: string }) => {
    const kept = problems.get(release);
    if (kept !== undefined && kept.length < mostProblems) kept.push({ release, ...problem });
  };
  const endEarly = (noted: string): true => {
    const missing = releases.filter((release) => !statuses.has(release));
    for (const release of missing) problems.get(release)?.unshift({ release, commit: noted, text: tooMuch });
    return true;
  };
  const end = performance.now() + searchMs;
  let verified = 0;
  const commits = await repository.history(commit, newestCommits);
  await notes.find(commits, async (noted, text) => {
    for (const { status, payload, signature } of inOrder(parseNotes(text), problems)) {
      const { release } = status;
      if (statuses.has(release)) continue;
      const plain = plainProblem({ status, payload, signature }, { commit: noted, controllerKeys });
      if (plain !== undefined || signature === undefined) {
        passOver(release, { commit: noted, text: plain ?? notSigned });
        continue;
      }
      if (verified === mostVerified || performance.now() > end) return endEarly(noted);
      verified += 1;
      const signed = { namespace: noteNamespace, data: payload, signatures: signature };
      const { keys } = await signer.verify({ allowedKeys: controllerKeys, ...signed });
      if (keys.length > 0) statuses.set(release, status);
      else passOver(release, { commit: noted, text: byNoController });
    }
    return releases.every((release) => statuses.has(release)) || (performance.now() > end && endEarly(noted));
  });
  return { statuses, problems: [...problems.values()].flat() };
}

const notSigned = "is not signed";
const byNoController = "is not signed by a controller key of the Trust";
const tooMuch = "came with more to verify than there is time for";

/** The asked releases before all others, each newest first: what nobody asks for takes no one's turn. */
function inOrder(records: readonly NoteRecord[], asked: ReadonlyMap<string, unknown>): NoteRecord[] {
  const place = ({ status }: NoteRecord) => (asked.has(status.release) ? 0 : 1);
  return records.toSorted((a, b) => place(a) - place(b) || b.status.at - a.status.at);
}

/** What can be seen without verifying anything: a signature names its key. */
function plainProblem(
  { status, signature }: NoteRecord,
  { commit, controllerKeys }: { readonly commit: string; readonly controllerKeys: readonly string[] },
): string | undefined {
  if (signature === undefined) return notSigned;
  if (status.commit !== commit) return "was made for another commit";
  const key = signingKeyOf(signature);
  return controllerKeys.some((trusted) => trusted.split(/\s+/)[1] === key) ? undefined : byNoController;
}

export interface LastKnownInput {
  readonly release: string;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Where notes are looked for when our journal knows nothing; without it they are not. */
  readonly commit?: string | undefined;
  readonly controllerKeys: readonly string[];
}

/** Adds to hosts that do not answer what was known of them last, so that what is meant for them stays the same. */
export async function withLastKnown(
  controller: Pick<Controller, "journal" | "repository" | "notes" | "signer">,
  { release, observations, commit, controllerKeys }: LastKnownInput,
): Promise<ReadonlyMap<string, Observation>> {
  const silent = [...observations.values()].filter(({ kind }) => kind === "unreachable");
  if (silent.length === 0) return observations;
  const { last } = await readStatusStream(controller, release);
  const status = last ?? (await statusFromNotes(controller, { release, commit, controllerKeys }));
  if (status === undefined) return observations;
  const byHost = Map.groupBy(status.targets, ({ host }) => host);
  const known = knownByPlace(status);
  const completed = new Map(observations);
  for (const observation of silent) {
    const components = (byHost.get(observation.host) ?? []).flatMap(
      ({ host, component }) => known.get(`${host}/${component}`) ?? [],
    );
    const lastKnown: LastKnown = { at: status.at, components };
    if (observation.kind === "unreachable") completed.set(observation.host, { ...observation, lastKnown });
  }
  return completed;
}

async function statusFromNotes(
  controller: Pick<Controller, "repository" | "notes" | "signer">,
  { release, commit, controllerKeys }: Omit<LastKnownInput, "observations">,
): Promise<Status | undefined> {
  if (commit === undefined) return undefined;
  const search = { from: controller, commit, controllerKeys, releases: [release] };
  return (await findStatuses(search)).statuses.get(release);
}
