// Which old file resembles a new one most: that of the same path, else one that went and has a like name. Pure.
import type { ManifestEntry } from "../manifest.ts";

export type FileEntry = ManifestEntry & { readonly kind: "file" };

/** A file that has to be made, and the file of the base that is most likely to resemble it. */
export interface ChangedFile {
  readonly file: FileEntry;
  readonly base: FileEntry | undefined;
}

/** A bundler's hash in a name: six or more letters and digits with at least one digit among them, or eight hexadecimal ones. */
const hash = /(?<![A-Za-z0-9])(?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9_-]{6,}(?![A-Za-z0-9])|[0-9a-f]{8,}/g;

/** From what tells most to what tells least. */
const likenesses: readonly ((path: string) => string)[] = [
  (path) => path.replace(hash, "*"),
  (path) => nameOf(path),
  (path) => nameOf(path).replace(hash, "*"),
];

/** Every new file with its base. `kept` are the paths of the new tree: a file that went is the better base for a file that came. */
export function findBases(
  wanted: readonly FileEntry[],
  { files, kept }: { readonly files: readonly FileEntry[]; readonly kept: ReadonlySet<string> },
): ChangedFile[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const found = new Map<FileEntry, FileEntry>();
  for (const file of wanted) {
    const same = byPath.get(file.path);
    if (same !== undefined && same.sizeBytes > 0) found.set(file, same);
  }
  const free = new Set(files.filter(({ path, sizeBytes }) => !kept.has(path) && sizeBytes > 0));
  for (const likeness of likenesses) {
    const waiting = wanted.filter((file) => file.sizeBytes > 0 && !found.has(file));
    const candidates = Map.groupBy(free, ({ path }) => likeness(path));
    for (const file of waiting) {
      const base = nearest(file, candidates.get(likeness(file.path))?.filter((each) => free.has(each)) ?? []);
      if (base === undefined) continue;
      found.set(file, base);
      free.delete(base);
    }
  }
  const neighbours = Map.groupBy(
    files.filter(({ sizeBytes }) => sizeBytes > 0),
    ({ path }) => kindOf(path),
  );
  return wanted.map((file) => {
    const base =
      file.sizeBytes === 0 ? undefined : (found.get(file) ?? nearest(file, neighbours.get(kindOf(file.path)) ?? []));
    return { file, base };
  });
}

/** The candidate whose name begins alike for longest, then the one of the nearest size. */
function nearest(file: FileEntry, candidates: readonly FileEntry[]): FileEntry | undefined {
  let [best, bestCommon, bestGap]: [FileEntry | undefined, number, number] = [undefined, -1, 0];
  for (const candidate of candidates) {
    const common = commonLength(file.path, candidate.path);
    const gap = Math.abs(file.sizeBytes - candidate.sizeBytes);
    if (common < bestCommon || (common === bestCommon && gap >= bestGap)) continue;
    [best, bestCommon, bestGap] = [candidate, common, gap];
  }
  return best;
}

function commonLength(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at += 1;
  return at;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Directory and extension. */
function kindOf(path: string): string {
  const name = nameOf(path);
  return `${path.slice(0, path.length - name.length)}*${name.slice(name.indexOf("."))}`;
}
