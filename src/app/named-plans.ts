// Which plans signed commits name: the newest one, and those below it as long as they hold the same documents, since an
// approval is of documents and not of a commit.
import { generationOf } from "../desired/resolve-desired.ts";
import { CutoverError } from "../errors.ts";
import { approvedHashes, namesPlanElsewhere } from "../model/approval-trailer.ts";
import type { Desired } from "../model/desired.ts";
import type { CommitSigner, ReleaseRepositoryPort } from "../ports.ts";

export interface NamedPlan {
  readonly hash: string;
  readonly commit: string;
}

export interface NamedPlans {
  /** Newest first. */
  readonly named: readonly NamedPlan[];
  /** A commit that names a plan where it does not count, when no other line does. */
  readonly misplaced: string | undefined;
}

export interface NamedPlansInput {
  /** The commit's own signature counts as verified. */
  readonly desired: Pick<Desired, "commit" | "generation">;
  /** Folder of the documents. */
  readonly directory: string;
  /** Messages of earlier commits count when one of these signed them. */
  readonly signers: readonly CommitSigner[];
  /** The search ends where this one is named. */
  readonly sought: string;
}

/** As far back as approvals are looked for. */
const newestCommits = 50;

export async function namedPlans(
  repository: ReleaseRepositoryPort,
  { desired: { commit, generation }, directory, signers, sought }: NamedPlansInput,
): Promise<NamedPlans> {
  const named: NamedPlan[] = [];
  let misplaced: string | undefined;
  for (const each of await repository.history(commit, newestCommits)) {
    if (each !== commit && !(await holds(repository, { commit: each, directory, generation }))) break;
    const message = await repository.message(each);
    const hashes = approvedHashes(message);
    if (namesPlanElsewhere(message)) misplaced ??= each;
    if (hashes.length === 0 || (each !== commit && !(await isSigned(repository, each, signers)))) continue;
    named.push(...hashes.map((hash) => ({ hash, commit: each })));
    if (hashes.includes(sought)) break;
  }
  return { named, misplaced: named.length === 0 ? misplaced : undefined };
}

/** False also for documents that no controller would read. */
async function holds(
  repository: ReleaseRepositoryPort,
  {
    commit,
    directory,
    generation,
  }: { readonly commit: string; readonly directory: string; readonly generation: string },
): Promise<boolean> {
  const files = await orUndefined(repository.files(commit, directory));
  return files !== undefined && generationOf(files.map(({ blob }) => blob)) === generation;
}

async function isSigned(
  repository: ReleaseRepositoryPort,
  commit: string,
  signers: readonly CommitSigner[],
): Promise<boolean> {
  return signers.length > 0 && (await orUndefined(repository.verifySignature(commit, signers))) !== undefined;
}

async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CutoverError && error.disposition !== "retry") return undefined;
    throw error;
  }
}
