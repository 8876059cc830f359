// Real programs for demo and tests: published npm packages, taken once and kept in the user's cache. `npm pack` does the
// fetching, so the user's registry, proxy and credentials apply; the digests are pinned by the caller all the same.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { LackingError } from "../errors.ts";

const run = promisify(execFile);
const FETCH_WITHIN_MS = 300_000;
const UNPACK_WITHIN_MS = 60_000;

export interface PinnedPackage {
  readonly package: string;
  readonly version: string;
  /** `sha512-…`, as npm publishes it. */
  readonly integrity: string;
}

/** What to keep of a package: paths inside it, with the modes they get. */
export type KeptFiles = Readonly<Record<string, number>>;

export function packageCacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "cutover");
}

/**
 * Path of a directory with the kept files of the package. Fetches only what the cache lacks; safe to run twice at once.
 * `onFetch` is told before a download. Throws LackingError when the registry cannot be reached.
 */
export async function fetchNpmPackage(input: {
  readonly pinned: PinnedPackage;
  /** `all`: every file, with the modes it has in the archive. */
  readonly keep: KeptFiles | "all";
  readonly cache?: string | undefined;
  readonly onFetch?: ((name: string) => void) | undefined;
}): Promise<string> {
  const { pinned, keep, cache = packageCacheDirectory() } = input;
  const directory = join(cache, `${plainName(pinned)}-${pinned.version}`);
  if (await exists(directory)) return directory;
  input.onFetch?.(`${pinned.package}@${pinned.version}`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, ".fetching-"));
  try {
    const archive = await pack(pinned, work);
    const paths = keep === "all" ? ["package"] : Object.keys(keep).map((path) => `package/${path}`);
    await run("tar", ["-xzf", archive, "-C", work, "--no-same-owner", "--", ...paths], { timeout: UNPACK_WITHIN_MS });
    const tree = join(work, "package");
    for (const [path, mode] of Object.entries(keep === "all" ? {} : keep)) {
      await chmod(join(tree, path), mode);
      await chmod(dirname(join(tree, path)), 0o755);
    }
    await chmod(tree, 0o755);
    await rename(tree, directory).catch(async (error: unknown) => {
      if (!(await exists(directory))) throw error; // else somebody else was faster, with the same bytes
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return directory;
}

/** Downloads into `work`, checks the pinned digest, returns the archive's path. */
async function pack(pinned: PinnedPackage, work: string): Promise<string> {
  const spec = `${pinned.package}@${pinned.version}`;
  try {
    await run("npm", ["pack", spec, "--pack-destination", work, "--ignore-scripts", "--silent"], {
      cwd: work,
      timeout: FETCH_WITHIN_MS,
    });
  } catch (cause) {
    throw new LackingError(`Cannot fetch ${spec} from npm: ${lastLine(cause)}`, `npm view ${spec} version`);
  }
  const archive = join(work, (await readdir(work)).find((name) => name.endsWith(".tgz")) ?? "nothing.tgz");
  const digest = createHash("sha512");
  await pipeline(createReadStream(archive), digest);
  const integrity = `sha512-${digest.digest("base64")}`;
  if (integrity !== pinned.integrity) {
    throw new LackingError(`${spec} is not what was published: got ${integrity}`, `npm view ${spec} dist.integrity`);
  }
  return archive;
}

/** `@scope/name` as one file name, the way npm names its archives. */
function plainName({ package: name }: PinnedPackage): string {
  return name.replace(/^@/, "").replaceAll("/", "-");
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
