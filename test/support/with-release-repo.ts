// A real bare release repository with a working clone and signing keys, in a temporary folder that is gone afterwards.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { sshKeygenKeyMaker } from "../../src/adapters/ssh-keygen.ts";
import type { Trust } from "../../src/model/trust.ts";

export interface ReleaseRepo {
  readonly folder: string;
  /** Path of the bare repository: the remote. */
  readonly remote: string;
  readonly work: string;
  /** Lists `alice` (admin) and `oscar` (operator). */
  readonly trust: Trust;
  /** A path for a mirror that does not exist yet. */
  newMirror(): string;
  git(...args: string[]): Promise<string>;
  /** Writes files, commits signed by `signer` (`none`: unsigned), pushes main; the commit id. */
  commit(files: Readonly<Record<string, string>>, signer?: "alice" | "oscar" | "mallory" | "none"): Promise<string>;
}

export async function withReleaseRepo(use: (repo: ReleaseRepo) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-repo-"));
  try {
    await use(await build(folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
    await assert.rejects(access(folder), "the temporary folder is gone");
  }
}

async function build(folder: string): Promise<ReleaseRepo> {
  const [remote, work] = [join(folder, "remote.git"), join(folder, "work")];
  const env = { PATH: process.env.PATH, HOME: folder, LC_ALL: "C", GIT_CONFIG_NOSYSTEM: "1" };
  const git = async (...args: string[]) =>
    (await promisify(execFile)("git", ["-C", work, ...args], { env })).stdout.trim();
  await mkdir(work);
  await git("init", "--quiet", "--bare", "--initial-branch=main", remote);
  await git("init", "--quiet", "--initial-branch=main", work);
  const settings = { "user.name": "test", "user.email": "test@localhost", "gpg.format": "ssh" };
  for (const [name, value] of Object.entries(settings)) await git("config", name, value);
  await git("remote", "add", "origin", remote);
  const keyMaker = sshKeygenKeyMaker();
  const keys: Record<string, string> = {};
  for (const name of ["alice", "oscar", "mallory"])
    keys[name] = await keyMaker.generate({ path: join(folder, name), comment: name });
  const trust: Trust = {
    apiVersion: "cutover/v1",
    kind: "Trust",
    name: "trust",
    releaseKeys: [keys.alice ?? ""],
    threshold: 1,
    controllerKeys: [],
    commitSigners: [
      { name: "alice", publicKey: keys.alice ?? "", roles: ["admin", "operator"] },
      { name: "oscar", publicKey: keys.oscar ?? "", roles: ["operator"] },
    ],
  };
  let mirrors = 0;
  return {
    folder,
    remote,
    work,
    trust,
    git,
    newMirror: () => join(folder, `mirror-${++mirrors}.git`),
    async commit(files, signer = "alice") {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(work, path)), { recursive: true });
        await writeFile(join(work, path), text);
      }
      await git("add", "--all");
      const signing = signer === "none" ? ["--no-gpg-sign"] : [`--gpg-sign=${join(folder, signer)}`];
      await git("commit", "--quiet", "--allow-empty", "-m", "change", ...signing);
      await git("push", "--quiet", "--force", "origin", "main");
      return git("rev-parse", "HEAD");
    },
  };
}
