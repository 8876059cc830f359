// The bare mirror that all git adapters share: made once, never checked out, without hooks.
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { CutoverError, RefusedError } from "../errors.ts";
import { repositoryUrlProblem } from "../model/git-location.ts";
import { expectGit, runGit } from "./run-git.ts";

/** The remote release repository and our bare copy of it. */
export interface GitRemote {
  readonly url: string;
  /** Absolute path of the bare mirror; made when it is missing. */
  readonly mirror: string;
  /** For each call over the network, 60 s unless said otherwise. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** Refuses an address that git must never see, then makes the mirror if need be. Safe to call at the same time from several processes. */
export async function openMirror({ url, mirror }: GitRemote): Promise<void> {
  const problem = repositoryUrlProblem(url);
  if (problem !== undefined) throw urlRefused(problem);
  if (await exists(`${mirror}/HEAD`)) return;
  await mkdir(dirname(mirror), { recursive: true });
  const fresh = `${mirror}.${process.pid}.${crypto.randomUUID()}`;
  try {
    await expectGit({
      repository: fresh,
      args: ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", fresh],
    });
    await rename(fresh, mirror);
  } catch (error) {
    if (!(await exists(`${mirror}/HEAD`))) throw error; // another process was first, and its mirror is as good as ours
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** The object a ref of the remote names, undefined when the remote has no such ref. */
export async function remoteRef(remote: GitRemote, ref: string): Promise<string | undefined> {
  const args = ["ls-remote", "--quiet", "--", remote.url, ref];
  const result = await runGit({ repository: remote.mirror, args, maxOutputBytes: 1024 * 1024, ...limitsOf(remote) });
  if (result.exitCode !== 0) throw remoteUnreachable(remote.url, result.stderr);
  const line = result.stdout
    .toString("latin1")
    .split("\n")
    .find((each) => each.endsWith(`\t${ref}`));
  const object = line?.slice(0, line.indexOf("\t"));
  return object !== undefined && isObjectId(object) ? object : undefined;
}

const fetchTries = 3;

/** Brings one ref of the remote to a local one and says which object that is; undefined when the remote has none. */
export async function fetchRef(
  remote: GitRemote,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<string | undefined> {
  const args = [
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-recurse-submodules",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--",
    remote.url,
    `+${from}:${to}`,
  ];
  for (let tries = 1; ; tries++) {
    const result = await runGit({
      repository: remote.mirror,
      args,
      maxFileBytes: 256 * 1024 * 1024,
      ...limitsOf(remote),
    });
    if (result.exitCode === 0) return localRef(remote.mirror, to);
    if ((await remoteRef(remote, from)) === undefined) return undefined;
    // Somebody may have made the ref between our two looks: then the next fetch finds it.
    if (tries === fetchTries) throw remoteUnreachable(remote.url, result.stderr);
  }
}

export async function localRef(mirror: string, ref: string): Promise<string | undefined> {
  const { exitCode, stdout } = await runGit({
    repository: mirror,
    args: ["rev-parse", "--verify", "--quiet", "--end-of-options", ref],
  });
  const object = stdout.toString("latin1").trim();
  return exitCode === 0 && isObjectId(object) ? object : undefined;
}

export type PushOutcome = "pushed" | "contended";

/**
 * Compare-and-swap of one remote ref: moves it to `object` only while it still is `expected` (undefined: not there).
 * Every way to lose the race, "cannot lock ref" included, is `contended`; a server that forbids the ref is `git-push-refused`.
 */
export async function pushRef(
  remote: GitRemote,
  change: { readonly ref: string; readonly object: string; readonly expected: string | undefined },
): Promise<PushOutcome> {
  const { ref, object, expected } = change;
  const args = [
    "push",
    "--porcelain",
    "--quiet",
    "--no-verify",
    "--no-follow-tags",
    `--force-with-lease=${ref}:${expected ?? ""}`,
    "--",
    remote.url,
    `${object}:${ref}`,
  ];
  const result = await runGit({ repository: remote.mirror, args, ...limitsOf(remote) });
  if (result.exitCode === 0) return "pushed";
  const verdict = result.stdout
    .toString("utf8")
    .split("\n")
    .find((line) => line.startsWith("!\t"));
  if (verdict === undefined) throw remoteUnreachable(remote.url, result.stderr);
  if (/hook declined|prohibited|deny|permission/i.test(verdict)) throw pushRefused(ref, `${verdict}\n${result.stderr}`);
  return "contended";
}

export async function writeObject(
  mirror: string,
  { type, content }: { readonly type: "blob" | "commit"; readonly content: string },
): Promise<string> {
  return (
    await expectGit({ repository: mirror, args: ["hash-object", "-t", type, "-w", "--stdin"], input: content })
  ).trim();
}

export async function dropRef(mirror: string, ref: string): Promise<void> {
  await runGit({ repository: mirror, args: ["update-ref", "--no-deref", "-d", ref] });
}

export function limitsOf({ deadlineMs = 60_000, signal }: GitRemote): {
  deadlineMs: number;
  signal: AbortSignal | undefined;
} {
  return { deadlineMs, signal };
}

export function isObjectId(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}

export function remoteUnreachable(url: string, evidence: string): CutoverError {
  return new CutoverError({
    code: "git-remote-unreachable",
    message: `Cannot reach the release repository at ${url}`,
    disposition: "retry",
    evidence,
    impact: "The release that was accepted last stays in force",
    remedy: `git ls-remote -- ${url}`,
  });
}

function pushRefused(ref: string, evidence: string): RefusedError {
  return new RefusedError({
    code: "git-push-refused",
    message: `The release repository does not let us write ${ref}`,
    evidence,
    remedy: `Let the controller's account push ${ref}`,
  });
}

function urlRefused(problem: string): RefusedError {
  return new RefusedError({
    code: "url-refused",
    message: `The repository address is refused: ${problem}`,
    remedy: "Correct repository.url in cutover.yaml",
  });
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
