// ReleaseRepositoryPort over the git binary and a bare mirror: fetch, read regular files at a commit, verify who signed it.
import { CutoverError, RefusedError } from "../errors.ts";
import { quotable } from "../model/diagnostic.ts";
import { refNameProblem } from "../model/git-location.ts";
import type { CommitSigner, Head, ReleaseRepositoryPort, RepositoryFile, SignerPort } from "../ports.ts";
import { splitSignedCommit } from "./git-commit-signature.ts";
import { type GitRemote, isObjectId, limitsOf, localRef, openMirror, remoteUnreachable } from "./git-mirror.ts";
import { listFiles, readObjects } from "./git-objects.ts";
import { expectGit, runGit } from "./run-git.ts";
import { sshKeygenSigner } from "./ssh-keygen.ts";

export interface GitRepositoryOptions extends GitRemote {
  /** The branch that is followed, such as `main`. */
  readonly ref: string;
  /** A pack from outside may have this size at most; 1 GiB unless said otherwise. */
  readonly maxPackBytes?: number;
  readonly signer?: SignerPort;
  /** `mirror` is somebody's own repository, such as a clone in CI: it is read as it is, and nothing is fetched into it. */
  readonly readOnly?: boolean;
}

const maxFileBytes = 256 * 1024;
const maxCommitBytes = 1024 * 1024;
const maxFiles = 2000;

export function gitRepository(options: GitRepositoryOptions): ReleaseRepositoryPort {
  const { mirror, signer = sshKeygenSigner() } = options;
  const branch = fullRef(options.ref);
  let fetching: Promise<Head> | undefined;
  return {
    fetch() {
      // Callers at the same moment share one fetch: git would make the second one wait for the lock, or fail.
      fetching ??= (options.readOnly ? headOf(options, branch) : fetchHead(options, branch)).finally(() => {
        fetching = undefined;
      });
      return fetching;
    },
    async files(commit, directory) {
      const entries = (await listFiles(mirror, { commit: checkedId(commit), directory })).filter(({ path }) =>
        /\.ya?ml$/.test(path),
      );
      if (entries.length > maxFiles) throw tooMany(entries.length);
      const blobs = await readObjects(
        mirror,
        entries.map(({ id }) => id),
        maxFileBytes,
      );
      return entries.map(
        ({ path, id }): RepositoryFile => ({ path, text: textOf(path, blobs.get(id)?.content), blob: id }),
      );
    },
    async verifySignature(commit, signers) {
      const raw = (await readObjects(mirror, [checkedId(commit)], maxCommitBytes)).get(commit);
      const signed = raw?.type === "commit" ? splitSignedCommit(raw.content) : undefined;
      if (signed === undefined) throw notTrusted(commit, "it carries no SSH signature");
      const allowedKeys = signers.map(({ publicKey }) => publicKey);
      const { keys } = await signer.verify({
        allowedKeys,
        namespace: "git",
        data: signed.payload,
        signatures: signed.signature,
      });
      const known = signers.find(({ publicKey }: CommitSigner) => keys.includes(publicKey));
      if (known === undefined) throw notTrusted(commit, "no key of a trusted signer made its signature");
      return { signer: known.name };
    },
    async resolve(ref) {
      await openMirror(options);
      const { name, back } = splitRef(ref);
      for (const place of placesOf(name)) {
        const commit = await localRef(mirror, `${place}^{commit}${back}`);
        if (commit !== undefined) return commit;
      }
      const ofClone = options.readOnly ? "git fetch origin (in a shallow clone: git fetch --unshallow)" : undefined;
      const known = await Promise.all(placesOf(name).map((place) => localRef(mirror, `${place}^{commit}`)));
      const tooFar = back !== "" && known.some((commit) => commit !== undefined);
      throw noSuchRef(ref, tooFar ? `git log --oneline ${quotable(name)}` : ofClone);
    },
    async message(commit) {
      const raw = (await readObjects(mirror, [checkedId(commit)], maxCommitBytes)).get(commit);
      const text = raw?.type === "commit" ? raw.content.toString("utf8") : "";
      const end = text.indexOf("\n\n");
      return end === -1 ? "" : text.slice(end + 2);
    },
    async history(commit, limit) {
      const listed = await expectGit({
        repository: mirror,
        args: ["rev-list", "--first-parent", `--max-count=${limit}`, checkedId(commit), "--"],
      });
      return listed.split("\n").filter(isObjectId);
    },
    async isAncestor(ancestor, commit) {
      // The mirror holds the whole history of `commit`: what it does not hold cannot be part of that history.
      if ((await localRef(mirror, `${checkedId(ancestor)}^{commit}`)) === undefined) return false;
      const result = await runGit({
        repository: mirror,
        args: ["merge-base", "--is-ancestor", ancestor, checkedId(commit)],
      });
      if (result.exitCode > 1) throw noSuchRef(commit);
      return result.exitCode === 0;
    },
  };
}

async function fetchHead(options: GitRepositoryOptions, branch: string): Promise<Head> {
  await openMirror(options);
  const { mirror, url, maxPackBytes = 1024 ** 3 } = options;
  const refspecs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
  const fixed = [
    "fetch",
    "--quiet",
    "--prune",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--update-head-ok",
  ];
  for (let attempt = 1; ; attempt++) {
    const result = await runGit({
      repository: mirror,
      args: [...fixed, "--", url, ...refspecs],
      maxFileBytes: maxPackBytes,
      ...limitsOf(options),
    });
    if (result.exitCode === 0) break;
    // Another process of ours may hold a lock of the mirror for a moment.
    if (attempt === 3 || !/cannot lock ref|\.lock/i.test(result.stderr)) throw remoteUnreachable(url, result.stderr);
    await new Promise((resolve) => setTimeout(resolve, 100 * attempt + Math.random() * 100));
  }
  return headOf(options, branch);
}

async function headOf({ mirror, url, readOnly }: GitRepositoryOptions, branch: string): Promise<Head> {
  // A clone knows the branch that is followed by what it fetched last.
  const remote = `refs/remotes/origin/${branch.replace(/^refs\/heads\//, "")}`;
  for (const name of readOnly ? [remote, branch] : [branch]) {
    const commit = await localRef(mirror, `${name}^{commit}`);
    if (commit !== undefined) return { commit, ref: branch };
  }
  throw branchMissing(branch, url);
}

/** What stands behind a name and leads back from it, as in git: `main~2`, `HEAD^`, `v1^2~3`. */
function splitRef(ref: string): { readonly name: string; readonly back: string } {
  const [, name = ref, back = ""] = /^([^~^]+)((?:[~^][0-9]{0,4}){1,8})$/.exec(ref) ?? [];
  return { name, back };
}

/** Where a name may stand, in the order in which it is looked for; also names that a clone has and a mirror has not. */
function placesOf(ref: string): string[] {
  if (isObjectId(ref) || /^[0-9a-f]{7,39}$/.test(ref))
    return [`refs/heads/${ref}`, `refs/tags/${ref}`, ref].slice(isObjectId(ref) ? 2 : 0);
  if (refNameProblem(ref) !== undefined) return [];
  if (ref === "HEAD" || ref.startsWith("refs/")) return [ref];
  return [`refs/heads/${ref}`, `refs/tags/${ref}`, `refs/remotes/${ref}`, `refs/remotes/origin/${ref}`];
}

function fullRef(ref: string): string {
  const problem = refNameProblem(ref);
  if (problem !== undefined)
    throw new RefusedError({
      code: "ref-refused",
      message: `The ref name is refused: ${problem}`,
      remedy: "Correct repository.ref in cutover.yaml",
    });
  return ref.startsWith("refs/") ? ref : `refs/heads/${ref}`;
}

function checkedId(commit: string): string {
  if (!isObjectId(commit)) throw noSuchRef(commit);
  return commit;
}

function textOf(path: string, content: Uint8Array | undefined): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch (cause) {
    throw new RefusedError({
      code: "unsafe-path",
      message: `${quotable(path)} is not UTF-8 text`,
      impact: "The release that was accepted last stays in force",
      cause,
    });
  }
}

function notTrusted(commit: string, evidence: string): RefusedError {
  return new RefusedError({
    code: "commit-not-trusted",
    message: `Commit ${commit.slice(0, 12)} is not signed by a trusted signer`,
    evidence,
    impact: "The release that was accepted last stays in force",
    remedy:
      "git commit --allow-empty -S -m 'Sign the release', then push; or let an admin add the signer to the Trust document",
  });
}

function noSuchRef(ref: string, remedy = "git ls-remote origin"): CutoverError {
  return new CutoverError({
    code: "no-such-ref",
    message: `There is no commit, branch or tag ${quotable(ref)} in the release repository`,
    remedy,
  });
}

function branchMissing(branch: string, url: string): CutoverError {
  return new CutoverError({
    code: "ref-missing",
    message: `The release repository at ${url} has no ${branch}`,
    disposition: "retry",
    impact: "A missing branch never means removal; the release that was accepted last stays in force",
    remedy: `git push origin HEAD:${branch}`,
  });
}

function tooMany(count: number): RefusedError {
  return new RefusedError({
    code: "repository-too-large",
    message: `${count} YAML files; at most ${maxFiles} are read`,
    impact: "The release that was accepted last stays in force",
  });
}
