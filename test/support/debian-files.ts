// Files out of Debian's packages, into the tree of a version or onto a host.
import { chmod, copyFile, cp, mkdir, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { debianVersions, fetchDebianPackage } from "../../src/lab/fetch-debian-package.ts";
import type { LabHost } from "../../src/lab/lab.ts";

/** By package: path in it → path in the tree. `LIB/` is the directory of shared libraries; a path that ends in `/` is taken with all below. */
export type DebianFiles = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** `which` is the place of the package's version among those that Debian has, newest first; the last one where it has fewer. */
export async function takeFromDebian(files: DebianFiles, tree: string, which = 0): Promise<void> {
  const unpacked = await newestPackages(Object.keys(files), which);
  for (const [name, paths] of Object.entries(files)) await takeFiles(unpacked.get(name) ?? "", paths, tree);
}

/** As an operator's `apt-get install` would, without scripts: for packages that need none. */
export async function installOnHost(host: LabHost, packages: readonly string[]): Promise<void> {
  for (const unpacked of (await newestPackages(packages)).values())
    await cp(join(unpacked, "usr"), host.pathOf("/usr"), { recursive: true, verbatimSymlinks: true });
}

/** Asked of apt once a process for each set of packages: every question makes apt read all its lists anew. */
const packages = new Map<string, Promise<ReadonlyMap<string, string>>>();

function newestPackages(names: readonly string[], which = 0): Promise<ReadonlyMap<string, string>> {
  const key = [which, ...names].join(" ");
  const asked = packages.get(key) ?? findPackages(names, which);
  packages.set(key, asked);
  return asked;
}

async function findPackages(names: readonly string[], which: number): Promise<ReadonlyMap<string, string>> {
  const known = await debianVersions(names);
  const found = new Map<string, string>();
  for (const name of names) {
    const versions = known.get(name) ?? [];
    const version = versions[which] ?? versions.at(-1);
    if (version === undefined) throw new Error(`Debian has no ${name} here: apt-cache madison ${name}`);
    found.set(name, await fetchDebianPackage({ name, version }));
  }
  return found;
}

/** Links are followed: a library is copied under the name that programs ask for. */
export async function takeFiles(
  unpacked: string,
  files: Readonly<Record<string, string>>,
  tree: string,
): Promise<void> {
  for (const [from, to] of Object.entries(files)) {
    const target = join(tree, to);
    await mkdir(to.endsWith("/") ? target : dirname(target), { recursive: true });
    const source = from.startsWith("LIB/") ? await findLibrary(unpacked, basename(from)) : join(unpacked, from);
    if (to.endsWith("/")) {
      await cp(source, target, { recursive: true });
      continue;
    }
    await copyFile(await realpath(source), target);
    await chmod(target, to.startsWith("bin/") ? 0o755 : 0o644);
  }
}

/** Below usr/lib/TRIPLET, whatever the machine's triplet is. */
async function findLibrary(unpacked: string, name: string): Promise<string> {
  for (const parent of ["usr/lib", "lib"]) {
    for (const triplet of await readdir(join(unpacked, parent)).catch(() => [])) {
      const found: readonly string[] = await readdir(join(unpacked, parent, triplet)).catch(() => []);
      if (found.includes(name)) return join(unpacked, parent, triplet, name);
    }
  }
  throw new Error(`${unpacked} has no ${name}`);
}
