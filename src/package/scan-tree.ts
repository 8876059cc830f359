// A directory becomes manifest entries. What a host would refuse is refused here, before anything is signed.
import { createHash } from "node:crypto";
import { constants, type Dirent, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink } from "node:fs/promises";
import { CutoverError } from "../errors.ts";
import type { ManifestEntry } from "./manifest.ts";

const maxEntries = 1_000_000;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Everything below `directory`, unsorted. Modes become 0755 or 0644 (executable by its owner or not), so that the umask
 * of whoever built the tree does not change its digest. Throws `unsafe-tree` on devices, sockets, pipes, setuid and
 * setgid files and names that are not UTF-8; names and links are checked by `encodeManifest`.
 */
export async function scanTree(directory: string): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = [];
  const pending = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const child of await children(directory, path)) {
      const entry = await scanEntry(directory, child);
      entries.push(entry);
      if (entry.kind === "directory") pending.push(child);
      if (entries.length > maxEntries) throw unsafe(child, `more than ${maxEntries} entries`);
    }
  }
  return entries;
}

/** Opens a file of a tree without following a link in its place, so that a swap after the scan is an error. */
export function openTreeFile(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

async function children(directory: string, path: string): Promise<string[]> {
  const found: Dirent<NonSharedBuffer>[] = await readdir(`${directory}/${path}`, {
    withFileTypes: true,
    encoding: "buffer",
  });
  return found.map(({ name }) => (path === "" ? "" : `${path}/`) + decodeName(name, path));
}

async function scanEntry(directory: string, path: string): Promise<ManifestEntry> {
  const full = `${directory}/${path}`;
  const stats = await lstat(full);
  if (stats.isSymbolicLink()) return { kind: "link", path, target: decodeName(await readlink(full, "buffer"), path) };
  if (stats.isDirectory()) return { kind: "directory", path, mode: 0o755 };
  if (!stats.isFile())
    throw unsafe(path, `a ${kindOf(stats)} cannot be published; only files, directories and links can`);
  if ((stats.mode & 0o7000) !== 0) throw unsafe(path, "setuid, setgid and sticky bits are not allowed");
  return { kind: "file", path, mode: (stats.mode & 0o100) === 0 ? 0o644 : 0o755, ...(await hashFile(full)) };
}

async function hashFile(path: string): Promise<{ sizeBytes: number; sha256: string }> {
  await using file = await openTreeFile(path);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of file.createReadStream({ autoClose: false })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest("hex") };
}

function decodeName(name: Buffer, near: string): string {
  try {
    return utf8.decode(name);
  } catch {
    throw unsafe(near, `${JSON.stringify(name.toString("latin1"))} is not UTF-8`);
  }
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return "pipe";
  if (stats.isSocket()) return "socket";
  return "device";
}

function unsafe(path: string, problem: string): CutoverError {
  return new CutoverError({
    code: "unsafe-tree",
    message: `${JSON.stringify(path)}: ${problem}`,
    impact: "Nothing was published; a host would refuse this tree",
  });
}
