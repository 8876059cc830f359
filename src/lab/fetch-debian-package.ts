// Real programs for tests and benchmarks: Debian packages in the versions that the machine's own apt sources have. apt-get does
// the fetching and checks its signatures; each unpacked package is kept in the user's cache.
import { access, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LackingError } from "../errors.ts";
import { packageCacheDirectory } from "./fetch-npm-package.ts";
import { keptAnswer } from "./kept-answers.ts";
import { mustRun, runProgram } from "./run-program.ts";

const FETCH_WITHIN_MS = 120_000;
const APT_LISTS = "/var/lib/apt/lists";
const packageName = /^[a-z0-9][a-z0-9.+-]+$/;
const packageVersion = /^[A-Za-z0-9][A-Za-z0-9.+:~-]*$/;

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
}

/**
 * Versions that apt can fetch of each package, newest first: usually that of the point release and, where there was one
 * since, that of the security archive. None for a package that apt does not know. Throws LackingError without apt.
 */
export async function debianVersions(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const odd = names.find((name) => !packageName.test(name));
  if (odd !== undefined) throw new TypeError(`not a package name: ${odd}`);
  const about = [APT_LISTS, join(ownApt(), "lists"), "/etc/apt/sources.list", "/etc/apt/sources.list.d"];
  const directory = join(ownApt(), "answers");
  const text = await keptAnswer({ about, words: ["madison", ...names], directory }, async () =>
    mustRun(["apt-cache", ...(await aptOptions()), "madison", "--", ...names]),
  );
  return new Map(names.map((name) => [name, parseMadison(text, name)]));
}

/** One package's versions in the lines of `apt-cache madison`, in their order and each once; sources are left out. */
export function parseMadison(text: string, name: string): readonly string[] {
  const versions = text.split("\n").flatMap((line) => {
    const [found, version, source] = line.split("|").map((field) => field.trim());
    const ours = found === name && version !== undefined && packageVersion.test(version);
    return ours && source?.endsWith("Packages") === true ? [version] : [];
  });
  return [...new Set(versions)];
}

/**
 * Path of the unpacked package, its files at their usual places below it. Fetches only what the cache lacks; safe to run
 * twice at once. No script of the package runs. Throws LackingError when apt cannot fetch it.
 */
export async function fetchDebianPackage({ name, version }: DebianPackage): Promise<string> {
  if (!packageName.test(name) || !packageVersion.test(version))
    throw new TypeError(`not a package: ${name}=${version}`);
  const cache = join(packageCacheDirectory(), "debian");
  const directory = join(cache, `${name}_${version.replaceAll(":", "%3a")}_${process.arch}`);
  if (await exists(directory)) return directory;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, ".fetching-"));
  try {
    const argv = ["apt-get", ...(await aptOptions()), "-qq", "-o", "APT::Sandbox::User=root", "download", "--"];
    const fetched = await runProgram([...argv, `${name}=${version}`], { cwd: work, timeoutMs: FETCH_WITHIN_MS });
    const archive = (await readdir(work)).find((file) => file.endsWith(".deb"));
    if (fetched.exitCode !== 0 || archive === undefined) {
      const why = fetched.stderr.trim().split("\n").at(-1) ?? "";
      throw new LackingError(`Cannot fetch ${name} ${version} from Debian: ${why}`, `apt-get download ${name}`);
    }
    await mustRun(["dpkg-deb", "--extract", join(work, archive), join(work, "tree")]);
    await rename(join(work, "tree"), directory).catch(async (error: unknown) => {
      if (!(await exists(directory))) throw error; // else somebody else was faster, with the same bytes
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return directory;
}

let options: Promise<readonly string[]> | undefined;

/** Nothing where the machine has the lists of all its sources; fresh images have none or some, and then ours are fetched into the cache. */
function aptOptions(): Promise<readonly string[]> {
  options ??= (async () => {
    const lists: readonly string[] = await readdir(APT_LISTS).catch(() => []);
    const sources = releasesOf(await mustRun(["apt-get", "--print-uris", "update"]));
    if (sources.length > 0 && sources.every((file) => lists.includes(file))) return [];
    const own = ownApt();
    await mkdir(join(own, "lists", "partial"), { recursive: true });
    await mkdir(join(own, "archives", "partial"), { recursive: true });
    const places = { "Dir::State::lists": "lists", "Dir::Cache": ".", "Dir::Cache::archives": "archives" };
    const found = Object.entries(places).flatMap(([key, place]) => ["-o", `${key}=${join(own, place)}`]);
    const update = ["apt-get", ...found, "-qq", "-o", "APT::Sandbox::User=root", "update"];
    await mustRun(update, { timeoutMs: FETCH_WITHIN_MS });
    return found;
  })();
  return options;
}

/** Names of the release files that `apt-get --print-uris update` would fetch, one a source; they end in the lists under these names. */
export function releasesOf(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const name = /^'[^']*' (\S+_(?:In)?Release)\b/.exec(line)?.[1];
    return name === undefined ? [] : [name];
  });
}

/** Below the cache: apt's own directories where the machine has no lists, and what apt answered. */
function ownApt(): string {
  return join(packageCacheDirectory(), "debian", "apt");
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
