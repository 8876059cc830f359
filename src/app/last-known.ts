// What was known last of hosts that are not asked or do not answer: from our own journal first, then from signed notes.
// For intent and review, never for acting.
import type { LastKnown, Observation } from "../model/observation.ts";
import type { Status } from "../model/status.ts";
import { type NoteRecord, noteNamespace, parseNotes } from "../status/note-codec.ts";
import { knownByPlace } from "../status/status-trees.ts";
import type { Controller } from "./controller.ts";
import { readStatusStream } from "./publish-status.ts";

/** As far back as notes are looked for. */
const newestCommits = 500;
/** Records of one note that are verified, newest first: an honest one needs one try a release. */
const recordsTried = 50;

export interface TrustedStatuses {
  /** Newest status of each release that a controller key signed. */
  readonly statuses: ReadonlyMap<string, Status>;
  /** Records that were passed over, newest first; each with what is wrong with it, such as `is not signed`. */
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

/** Only what a controller key signed, for the very commit that bears it, counts (T33). */
export async function findStatuses({ from, commit, controllerKeys, releases }: StatusSearch): Promise<TrustedStatuses> {
  const { repository, notes, signer } = from;
  const statuses = new Map<string, Status>();
  const problems: TrustedStatuses["problems"][number][] = [];
  const commits = await repository.history(commit, newestCommits);
  await notes.find(commits, async (noted, text) => {
    const records = parseNotes(text).sort((a, b) => b.status.at - a.status.at);
    const found = new Map<string, Status>();
    for (const { status, payload, signature } of records.slice(0, recordsTried)) {
      if (statuses.has(status.release) || found.has(status.release)) continue;
      const text = await problemOf(signer, { status, payload, signature, commit: noted, controllerKeys });
      if (text === undefined) found.set(status.release, status);
      else problems.push({ release: status.release, commit: noted, text });
    }
    for (const [release, status] of found) statuses.set(release, status);
    return releases.every((release) => statuses.has(release));
  });
  return { statuses, problems };
}

async function problemOf(
  signer: Controller["signer"],
  record: NoteRecord & { readonly commit: string; readonly controllerKeys: readonly string[] },
): Promise<string | undefined> {
  const { status, payload, signature: signatures, commit, controllerKeys: allowedKeys } = record;
  if (signatures === undefined) return "is not signed";
  if (status.commit !== commit) return "was made for another commit";
  const { keys } = await signer.verify({ allowedKeys, namespace: noteNamespace, data: payload, signatures });
  return keys.length > 0 ? undefined : "is not signed by a controller key of the Trust";
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
