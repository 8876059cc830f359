// What stands in a directory tree, as a value to compare: kind, mode, bytes and where links point; never times.
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export interface TreeEntry {
  readonly kind: "file" | "directory" | "link" | "other";
  readonly mode: number;
  /** Bytes of a file, target of a link. */
  readonly content: Buffer;
}
export type TreeState = ReadonlyMap<string, TreeEntry>;

export function readTree(directory: string): TreeState {
  const tree = new Map<string, TreeEntry>();
  walk(directory, "", (path, full) => tree.set(path, readEntry(full)));
  return tree;
}

/** Changes with every write below the directories, also with one that writes the same bytes. Fast: no file is read. */
export function fingerprint(directories: readonly string[]): string {
  const hash = createHash("sha1");
  for (const directory of directories) {
    walk(directory, "", (path, full) => {
      const { ino, mode, size, mtimeNs, ctimeNs } = lstatSync(full, { bigint: true });
      hash.update(`${path}\0${ino} ${mode} ${size} ${mtimeNs} ${ctimeNs}\n`);
    });
  }
  return hash.digest("hex");
}

/** One line for each path that differs, at most ten; empty when both are the same. `modes`: exact, or only whether a file can be executed. */
export function treeDifferences(
  is: TreeState,
  { wanted, modes }: { readonly wanted: TreeState; readonly modes: "exact" | "executable" },
): string[] {
  const loose = modes === "executable";
  // Git keeps neither empty directories nor modes of directories, so neither does a fixture.
  const counts = (entry: TreeEntry | undefined): entry is TreeEntry =>
    entry !== undefined && !(loose && entry.kind === "directory");
  const paths = [...new Set([...is.keys(), ...wanted.keys()])].sort();
  const lines = paths.flatMap((path) => {
    const [found, expected] = [is.get(path), wanted.get(path)];
    if (!counts(found)) return counts(expected) ? [`${path} is missing`] : [];
    if (!counts(expected)) return [`${path} should not be there`];
    const problem = entryDifference(found, expected, loose);
    return problem === undefined ? [] : [`${path} ${problem}`];
  });
  return lines.length > 10 ? [...lines.slice(0, 10), `and ${lines.length - 10} more`] : lines;
}

/** What became of a tree, a line for each path: `new`, `changed` or `gone`. */
export function treeChanges(before: TreeState, after: TreeState): string[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === undefined) return [`new ${path}`];
    if (is === undefined) return [`gone ${path}`];
    const differs = was.kind !== is.kind || was.mode !== is.mode || !was.content.equals(is.content);
    return differs ? [`changed ${path}`] : [];
  });
}

function entryDifference(found: TreeEntry, expected: TreeEntry, loose: boolean): string | undefined {
  if (found.kind !== expected.kind) return `is a ${found.kind}, not a ${expected.kind}`;
  if (!found.content.equals(expected.content)) return contentDifference(found, expected);
  if (found.kind === "link") return undefined;
  const differs = loose ? ((found.mode ^ expected.mode) & 0o100) !== 0 : found.mode !== expected.mode;
  return differs ? `has mode ${found.mode.toString(8)}, not ${expected.mode.toString(8)}` : undefined;
}

function contentDifference(found: TreeEntry, expected: TreeEntry): string {
  if (found.kind === "link") return `points to ${found.content}, not to ${expected.content}`;
  const [is, wanted] = [found.content.toString().split("\n"), expected.content.toString().split("\n")];
  const line = is.findIndex((text, index) => text !== wanted[index]);
  const at = line < 0 ? is.length : line;
  const shown = (text: string | undefined): string =>
    text === undefined ? "its end" : JSON.stringify(text.slice(0, 120));
  return `line ${at + 1} is ${shown(is[at])}, not ${shown(wanted[at])}`;
}

function walk(directory: string, path: string, visit: (path: string, full: string) => void): void {
  for (const entry of readdirSync(join(directory, path), { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const below = path === "" ? entry.name : `${path}/${entry.name}`;
    visit(below, join(directory, below));
    if (entry.isDirectory()) walk(directory, below, visit);
  }
}

function readEntry(full: string): TreeEntry {
  const found = lstatSync(full);
  const mode = found.mode & 0o7777;
  const none = Buffer.alloc(0);
  if (found.isSymbolicLink()) return { kind: "link", mode: 0, content: Buffer.from(readlinkSync(full)) };
  if (found.isDirectory()) return { kind: "directory", mode, content: none };
  return found.isFile() ? { kind: "file", mode, content: readFileSync(full) } : { kind: "other", mode, content: none };
}
