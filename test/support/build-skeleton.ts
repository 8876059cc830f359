// Compiled skeletons of deploy/skeletons, each built once and kept in the user's cache under the digest of what it is made from.
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageCacheDirectory } from "../../src/lab/fetch-npm-package.ts";
import { mustRun } from "../../src/lab/run-program.ts";

const skeletons = fileURLToPath(new URL("../../deploy/skeletons/", import.meta.url));
const points = fileURLToPath(new URL("fixtures/takeover-points.c", import.meta.url));
const BUILD_WITHIN_MS = 300_000;

/** Path of the program `server` of c-takeover; `withPoints`: it can die at named points of a takeover; `format`: its state has another layout. */
export async function buildTakeover({ withPoints = false, format = 1 } = {}): Promise<string> {
  const define = "TAKEOVER_POINT(name)=do { void test_point(const char *); test_point(name); } while (0)";
  const parts = withPoints ? [`PARTS=server.c conn.c takeover.c take.c wire.c ${basename(points)}`] : [];
  const defines = [...(withPoints ? [define] : []), ...(format === 1 ? [] : [`STATE_FORMAT=${format}`])];
  const flags = defines.length === 0 ? [] : [`CPPFLAGS=${defines.map((each) => `-D'${each}'`).join(" ")}`];
  return buildOnce("c-takeover", {
    more: withPoints ? [points] : [],
    argv: ["make", "--silent", "server", ...parts, ...flags],
  });
}

/** Path of the program `server` of the Go skeleton, which needs no libraries. */
export function buildGo(): Promise<string> {
  return buildOnce("go", {
    more: [],
    argv: ["env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-buildvcs=false", "-o", "server", "."],
  });
}

interface Build {
  /** Files from elsewhere, laid beside the skeleton's own. */
  readonly more: readonly string[];
  readonly argv: readonly string[];
}

async function buildOnce(name: string, { more, argv }: Build): Promise<string> {
  const folder = join(skeletons, name);
  const own = (await readdir(folder)).filter((file) => /\.(?:c|h|go|mod)$|^Makefile$/.test(file)).sort();
  const sources = [...own.map((file) => join(folder, file)), ...more];
  const digest = createHash("sha256").update(JSON.stringify(argv)).update(process.arch);
  for (const path of sources) digest.update(basename(path)).update(await readFile(path));
  const cache = join(packageCacheDirectory(), "skeletons");
  const built = join(cache, `${name}-${digest.digest("hex").slice(0, 24)}`);
  if (await stat(built).catch(() => undefined)) return built;
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, ".building-"));
  try {
    for (const path of sources) await copyFile(path, join(work, basename(path)));
    await mustRun(argv, { cwd: work, timeoutMs: BUILD_WITHIN_MS });
    await rename(join(work, "server"), built); // one of two builders wins, with the same program
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return built;
}
