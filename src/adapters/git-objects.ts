// Reads objects out of the mirror through isomorphic-git: bounded trees, regular blobs, raw commits. Nothing is checked out.
// Sizes come first, from git itself: isomorphic-git inflates an object whole, and a hostile one may be huge.
import fs from "node:fs";
import { readObject } from "isomorphic-git";
import { CutoverError, RefusedError } from "../errors.ts";
import { quotable } from "../model/diagnostic.ts";
import { expectGit } from "./run-git.ts";

export interface TreeEntry {
  readonly path: string;
  /** `100644` and `100755` are regular files, `040000` is a directory; the rest is never followed. */
  readonly mode: string;
  readonly id: string;
}
interface GitObject {
  readonly type: string;
  readonly content: Buffer;
}

const maxTreeEntries = 20_000;
const maxTreeBytes = 4 * 1024 * 1024;
const maxDepth = 8;

/** Objects by id, their content unparsed. `sizeLimit` is checked before any content is read; throws `repository-too-large`. */
export async function readObjects(
  mirror: string,
  ids: readonly string[],
  sizeLimit: number,
): Promise<Map<string, GitObject>> {
  const unique = [...new Set(ids)];
  await checkSizes(mirror, unique, sizeLimit);
  const cache = {};
  const objects = new Map<string, GitObject>();
  for (const oid of unique) {
    const { type, object } = await readObject({ fs, gitdir: mirror, oid, format: "content", cache });
    objects.set(oid, { type: String(type), content: Buffer.from(object as Uint8Array) });
  }
  return objects;
}

async function checkSizes(mirror: string, ids: readonly string[], sizeLimit: number): Promise<void> {
  if (ids.length === 0) return;
  const input = ids.map((id) => `${id}\n`).join("");
  const sizes = await expectGit({ repository: mirror, args: ["cat-file", "--batch-check"], input });
  for (const line of sizes.trimEnd().split("\n")) {
    const [id = "", type, size] = line.split(" ");
    if (type === "missing" || size === undefined) throw missingObject(id);
    if (Number(size) > sizeLimit) throw tooLarge(`object ${id} has ${size} bytes; ${sizeLimit} are allowed`);
  }
}

/** Every file below `directory` at a commit, level by level, so that a small repository cannot name 10^10 paths (T20). */
export async function listFiles(
  mirror: string,
  { commit, directory }: { readonly commit: string; readonly directory: string },
): Promise<TreeEntry[]> {
  let level = await findDirectory(mirror, commit, directory);
  const files: TreeEntry[] = [];
  let seen = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === maxDepth) throw tooLarge(`directories are nested more than ${maxDepth} deep`);
    const entries = await readLevel(mirror, level);
    seen += entries.length;
    if (seen > maxTreeEntries) throw tooLarge(`more than ${maxTreeEntries} files`);
    for (const entry of entries) assertPlain(entry);
    files.push(...entries.filter(({ mode }) => mode !== "40000"));
    level = entries.filter(({ mode }) => mode === "40000");
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function findDirectory(mirror: string, commit: string, directory: string): Promise<TreeEntry[]> {
  const raw = (await readObjects(mirror, [commit], maxTreeBytes)).get(commit);
  const root = /^tree ([0-9a-f]{40})\n/.exec(raw?.content.toString("latin1") ?? "")?.[1];
  if (raw?.type !== "commit" || root === undefined) throw missingObject(commit);
  let place: TreeEntry = { path: "", mode: "40000", id: root };
  for (const name of directory.split("/")) {
    const path = place.path === "" ? name : `${place.path}/${name}`;
    const next = (await readLevel(mirror, [place])).find((entry) => entry.path === path);
    if (next === undefined) return [];
    assertPlain(next);
    if (next.mode !== "40000") return [];
    place = next;
  }
  return [place];
}

async function readLevel(mirror: string, trees: readonly TreeEntry[]): Promise<TreeEntry[]> {
  const objects = await readObjects(
    mirror,
    trees.map(({ id }) => id),
    maxTreeBytes,
  );
  const entries: TreeEntry[] = [];
  for (const { path, id } of trees) {
    const tree = objects.get(id);
    if (tree?.type !== "tree") throw missingObject(id);
    for (const entry of splitTree(tree.content)) {
      entries.push({ ...entry, path: path === "" ? entry.path : `${path}/${entry.path}` });
      if (entries.length > maxTreeEntries) throw tooLarge(`more than ${maxTreeEntries} files`);
    }
  }
  return entries;
}

/** `MODE SP NAME NUL ID20` repeated. */
function splitTree(content: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const nul = content.indexOf(0, space);
    if (space === -1 || nul === -1 || nul + 21 > content.length) throw tooLarge("a tree object is malformed");
    const mode = content.toString("latin1", at, space);
    entries.push({
      mode,
      path: content.toString("utf8", space + 1, nul),
      id: content.toString("hex", nul + 1, nul + 21),
    });
    at = nul + 21;
  }
  return entries;
}

/** Regular files and directories with plain names; anything else could lead out of the repository (T16). */
function assertPlain({ path, mode }: TreeEntry): void {
  const kind = { "120000": "a symbolic link", "160000": "a submodule" }[mode];
  if (kind !== undefined) throw unsafePath(path, kind);
  if (!/^(100644|100755|100664|40000)$/.test(mode)) throw unsafePath(path, `of mode ${mode}`);
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (!/^[^\p{C}\p{Zl}\p{Zp}\\\ufffd]{1,255}$/u.test(name) || /^\.{1,2}$|^\.git$/i.test(name))
    throw unsafePath(path, "a name that is not allowed");
}

function unsafePath(path: string, what: string): RefusedError {
  return new RefusedError({
    code: "unsafe-path",
    message: `${quotable(path)} is ${what}; only regular files are read`,
    impact: "The release that was accepted last stays in force",
    remedy: `git rm -- '${quotable(path).replaceAll("'", "")}'`,
  });
}

function tooLarge(message: string): RefusedError {
  return new RefusedError({
    code: "repository-too-large",
    message: `The release repository is refused: ${message}`,
    impact: "The release that was accepted last stays in force",
  });
}

function missingObject(id: string): CutoverError {
  return new CutoverError({
    code: "no-such-ref",
    message: `The mirror has no object ${quotable(id)}`,
    remedy: "Push the commit, then try again",
  });
}
