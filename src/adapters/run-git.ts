// The one way to start git: constant options, a clean environment, limits, a deadline, and the whole process group ended with it (T17–T20).
import { spawn } from "node:child_process";
import { CutoverError, LackingError } from "../errors.ts";

export interface GitRequest {
  /** Subcommand and its arguments. Anything from outside stands behind `--` or is a checked ref or object id. */
  readonly args: readonly string[];
  /** The bare repository to work in. */
  readonly repository: string;
  readonly input?: string | Uint8Array;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly maxOutputBytes?: number;
  /** Largest file that git may write: a pack from outside cannot fill the disk. */
  readonly maxFileBytes?: number;
  /** An index of one's own, for calls that build a tree; a bare repository has none. */
  readonly indexFile?: string;
  /** Seconds since the epoch, for calls that make a commit; now, when it is left out. */
  readonly commitDate?: number;
}

export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** At most 8 KiB, control characters escaped. */
  readonly stderr: string;
}

/** Git has ended, or was ended: whoever else holds its pipes is waited for no longer. */
const pipesMs = 2_000;

const fixedOptions: readonly string[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.symlinks", "false"],
  ["core.attributesFile", "/dev/null"],
  ["protocol.ext.allow", "never"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["push.recurseSubmodules", "no"],
  ["push.gpgSign", "false"],
  ["http.followRedirects", "false"],
  ["http.lowSpeedLimit", "1000"],
  ["http.lowSpeedTime", "30"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["fetch.unpackLimit", "1"],
  ["fetch.writeCommitGraph", "false"],
  ["core.bigFileThreshold", "1m"],
  ["pack.threads", "1"],
].flatMap(([key, value]) => ["-c", `${key}=${value}`]);

/** Resolves with any exit code. Throws `git-timeout` (retry), `git-output-too-large`, LackingError, or the signal's reason. */
export function runGit(request: GitRequest): Promise<GitResult> {
  const {
    args,
    repository,
    input,
    deadlineMs = 60_000,
    signal,
    maxOutputBytes = 64 * 1024 * 1024,
    maxFileBytes = 1024 ** 3,
  } = request;
  signal?.throwIfAborted();
  const limits = [
    `--fsize=${maxFileBytes}`,
    "--as=4294967296",
    `--cpu=${Math.ceil(deadlineMs / 1000) + 1}`,
    "--core=0",
  ];
  const argv = [...limits, "--", "git", ...fixedOptions, `--git-dir=${repository}`, ...args];
  return new Promise((resolve, reject) => {
    const child = spawn("prlimit", argv, {
      env: { ...gitEnvironment(), ...requestEnvironment(request) },
      cwd: "/",
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const chunks: Buffer[] = [];
    let [size, stderr, failure] = [0, "", undefined as unknown];
    let abandoning: NodeJS.Timeout | undefined;
    const abandonSoon = () => {
      abandoning ??= setTimeout(() => {
        for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
        if (failure === undefined) return; // `close` follows, with the exit code
        finish();
        reject(failure);
      }, pipesMs);
    };
    const stop = (reason: unknown) => {
      failure ??= reason;
      if (child.pid !== undefined) endGroup(child.pid);
      abandonSoon();
    };
    const timer = setTimeout(() => stop(timeout(args, deadlineMs)), deadlineMs);
    const onAbort = () => stop(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxOutputBytes) stop(tooLarge(args, maxOutputBytes));
      else chunks.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (stderr.length < 8192) stderr += chunk.toString("utf8").slice(0, 8192 - stderr.length);
    });
    child.stdin.on("error", () => undefined); // git may end before it has read everything; its exit code says why
    const finish = () => {
      clearTimeout(timer);
      clearTimeout(abandoning);
      signal?.removeEventListener("abort", onAbort);
    };
    child.on("error", (error) => {
      finish();
      reject(missingProgram(error));
    });
    child.on("exit", () => {
      clearTimeout(timer);
      abandonSoon();
    });
    child.on("close", (code) => {
      finish();
      if (failure !== undefined) reject(failure);
      else if (code === 127) reject(missingProgram(new Error(stderr)));
      else resolve({ exitCode: code ?? 128, stdout: Buffer.concat(chunks), stderr: printable(stderr) });
    });
    child.stdin.end(input ?? "");
  });
}

/** Like runGit, for calls that can only fail by accident: a non-zero exit is thrown as `git-failed` (retry). */
export async function expectGit(request: GitRequest): Promise<string> {
  const result = await runGit(request);
  if (result.exitCode === 0) return result.stdout.toString("utf8");
  throw new CutoverError({
    code: "git-failed",
    message: `git ${request.args[0]} failed with exit code ${result.exitCode}`,
    disposition: "retry",
    evidence: result.stderr,
    remedy: "cutover status",
  });
}

/** Nothing is inherited but what finds programs and keys: no GIT_DIR, no GIT_CONFIG_*, no askpass program. */
function gitEnvironment(): NodeJS.ProcessEnv {
  const inherited = ["PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "TMPDIR"];
  const kept = inherited.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]] as const],
  );
  return {
    ...Object.fromEntries(kept),
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_ALLOW_PROTOCOL: "file:https:ssh",
    GIT_PROTOCOL_FROM_USER: "0",
    GIT_TERMINAL_PROMPT: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_SSH_COMMAND:
      // A kept master connection would outlive git, hold its pipes, and share our login with others.
      "ssh -oControlMaster=no -oControlPath=none -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=15 -oForwardAgent=no -oClearAllForwardings=yes",
    GIT_SSH_VARIANT: "ssh",
    GIT_AUTHOR_NAME: "cutover",
    GIT_AUTHOR_EMAIL: "cutover@localhost",
    GIT_COMMITTER_NAME: "cutover",
    GIT_COMMITTER_EMAIL: "cutover@localhost",
  };
}

function requestEnvironment({ indexFile, commitDate }: GitRequest): NodeJS.ProcessEnv {
  const date = `${commitDate} +0000`;
  return {
    ...(indexFile === undefined ? {} : { GIT_INDEX_FILE: indexFile }),
    ...(commitDate === undefined ? {} : { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date }),
  };
}

/** ssh, index-pack and upload-pack are children of git: they go with it. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function timeout(args: readonly string[], deadlineMs: number): CutoverError {
  return new CutoverError({
    code: "git-timeout",
    message: `git ${args[0]} took longer than ${deadlineMs / 1000} s and was ended`,
    disposition: "retry",
    remedy: "cutover status",
  });
}

function tooLarge(args: readonly string[], limit: number): CutoverError {
  return new CutoverError({
    code: "git-output-too-large",
    message: `git ${args[0]} gave more than ${limit} bytes and was ended`,
    remedy: "Make the release repository smaller",
  });
}

function missingProgram(cause: Error): LackingError {
  return new LackingError(`git and prlimit are needed: ${printable(cause.message)}`, "apt-get install git util-linux");
}

function printable(text: string): string {
  return text
    .trim()
    .replace(/[^\n\x20-\x7e\u{a0}-\u{d7ff}]/gu, (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16)}`);
}
