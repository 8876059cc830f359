// What two trees have in common: what stays, goes, moves, and which files have bytes that the base has not. Pure.
import type { ManifestEntry } from "../manifest.ts";
import { type ChangedFile, type FileEntry, findBases } from "./find-bases.ts";
import type { PatchIndex } from "./patch-index.ts";

export interface TreeDifference extends Omit<PatchIndex, "groups"> {
  readonly changed: readonly ChangedFile[];
}

/** Everything that is neither in the difference nor in `changed` stays as it is. The same trees give the same difference. */
export function compareTrees(from: readonly ManifestEntry[], to: readonly ManifestEntry[]): TreeDifference {
  const before = new Map(from.map((entry) => [entry.path, entry]));
  const after = new Set(to.map(({ path }) => path));
  const gone = from.filter(({ path }) => !after.has(path));
  const contents = new Map<string, FileEntry>();
  for (const entry of from) {
    if (entry.kind === "file" && !contents.has(contentOf(entry))) contents.set(contentOf(entry), entry);
  }
  const news = to.filter((entry) => !isSame(before.get(entry.path), entry));
  const copies: PatchIndex["copies"][number][] = [];
  const unknown: FileEntry[] = [];
  for (const entry of news) {
    if (entry.kind !== "file") continue;
    const old = before.get(entry.path);
    const source = old?.kind === "file" && contentOf(old) === contentOf(entry) ? old : contents.get(contentOf(entry));
    if (source === undefined) unknown.push(entry);
    else copies.push({ from: source.path, path: entry.path, mode: entry.mode });
  }
  return {
    gone: gone.map(({ path }) => path),
    directories: news.flatMap((entry) => (entry.kind === "directory" ? [{ path: entry.path, mode: entry.mode }] : [])),
    links: news.flatMap((entry) => (entry.kind === "link" ? [{ path: entry.path, target: entry.target }] : [])),
    copies,
    changed: findBases(unknown, { files: from.filter((entry) => entry.kind === "file"), kept: after }),
  };
}

function contentOf({ sizeBytes, sha256 }: FileEntry): string {
  return `${sha256} ${sizeBytes}`;
}

function isSame(before: ManifestEntry | undefined, after: ManifestEntry): boolean {
  if (before === undefined || before.kind !== after.kind) return false;
  if (after.kind === "link") return before.kind === "link" && before.target === after.target;
  if (before.kind === "link" || before.mode !== after.mode) return false;
  return after.kind === "directory" || (before.kind === "file" && contentOf(before) === contentOf(after));
}
