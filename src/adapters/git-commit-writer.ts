// CommitWriterPort by git's plumbing in the bare mirror: an index of its own for each commit, no work tree, no hook, no checkout (T17).
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CutoverError, RefusedError } from "../errors.ts";
import { quotable } from "../model/diagnostic.ts";
import { refNameProblem } from "../model/git-location.ts";
import type { BranchTip, CommitWriterPort } from "../ports.ts";
import { type GitRemote, isObjectId, localRef, openMirror, pushRef, writeObject } from "./git-mirror.ts";
import { expectGit } from "./run-git.ts";

const who = "cutover <cutover@localhost>";
const maxCommitBytes = 1024 * 1024;

export function gitCommitWriter(remote: GitRemote): CommitWriterPort {
  const { mirror } = remote;
  return {
    async write({ parent, files, message, at }) {
      await openMirror(remote);
      const tree = await withIndex(async (indexFile) => {
        await expectGit({ repository: mirror, args: ["read-tree", checkedId(parent)], indexFile });
        for (const { path, text } of files) {
          const mode = await modeOf(mirror, { indexFile, path });
          const blob = await writeObject(mirror, { type: "blob", content: text });
          const args = ["update-index", "--cacheinfo", `${mode},${blob},${path}`];
          await expectGit({ repository: mirror, args, indexFile });
        }
        return checkedId((await expectGit({ repository: mirror, args: ["write-tree"], indexFile })).trim());
      });
      const args = ["commit-tree", tree, "-p", parent, "-F", "-"];
      const commitDate = Math.floor(at / 1000);
      const commit = (await expectGit({ repository: mirror, args, input: message, commitDate })).trim();
      return { commit: checkedId(commit), tree };
    },
    async tip(branch) {
      await openMirror(remote);
      const commit = await localRef(mirror, `${checkedBranch(branch)}^{commit}`);
      return commit === undefined ? undefined : readTip(mirror, commit);
    },
    async push({ branch, commit, expected }) {
      await openMirror(remote);
      return pushRef(remote, { ref: checkedBranch(branch), object: checkedId(commit), expected });
    },
  };
}

async function withIndex<T>(work: (indexFile: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "cutover-index-"));
  try {
    return await work(join(directory, "index"));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The file keeps its mode; what is no regular file of the parent is never written. */
async function modeOf(mirror: string, { indexFile, path }: { indexFile: string; path: string }): Promise<string> {
  const args = ["--literal-pathspecs", "ls-files", "--stage", "-z", "--", path];
  const listed = await expectGit({ repository: mirror, args, indexFile });
  const entry = listed.split("\0").find((line) => line.endsWith(`\t${path}`));
  const mode = /^(100644|100755) [0-9a-f]{40} 0\t/.exec(entry ?? "")?.[1];
  if (mode !== undefined) return mode;
  throw new CutoverError({
    code: "no-such-file",
    message: `The commit to build on has no regular file ${quotable(path)}`,
    impact: "Nothing was proposed",
  });
}

async function readTip(mirror: string, commit: string): Promise<BranchTip> {
  const args = ["cat-file", "commit", commit];
  const raw = await expectGit({ repository: mirror, args, maxOutputBytes: maxCommitBytes });
  const head = raw.slice(0, raw.indexOf("\n\n")).split("\n");
  const tree = head.find((line) => line.startsWith("tree "))?.slice("tree ".length) ?? "";
  const parents = head.filter((line) => line.startsWith("parent "));
  const byUs = ["author", "committer"].every((role) => head.some((line) => line.startsWith(`${role} ${who} `)));
  return { commit, tree: checkedId(tree), ours: byUs && parents.length === 1 };
}

function checkedId(id: string): string {
  if (isObjectId(id)) return id;
  throw new CutoverError({ code: "no-such-ref", message: `${quotable(id)} is not an object id of 40 hex digits` });
}

function checkedBranch(branch: string): string {
  const problem = refNameProblem(branch);
  if (problem === undefined && !branch.startsWith("refs/")) return `refs/heads/${branch}`;
  throw new RefusedError({
    code: "ref-refused",
    message: `${quotable(branch)} cannot be a branch: ${problem ?? "it names a ref in full"}`,
    impact: "Nothing was proposed",
  });
}
