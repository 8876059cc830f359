// Payload files on local disk, each with a note of its digest and sizes beside it. A file that no longer matches its note is made
// anew (F21), and what was not used for longest goes when there is too much.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { orLackingDisk } from "../errors.ts";
import { encodeKeyValues, type KeyValue, parseKeyValues } from "../model/key-values.ts";
import { Digest } from "../model/names.ts";
import type { PayloadFile } from "../model/transfer.ts";
import { writeWhole } from "./write-whole.ts";

const size = z.coerce.number().int().min(0);
const Note = z.object({
  digest: Digest,
  bytes: size,
  "output-bytes": size,
  base: Digest.optional(),
  "memory-mib": size.optional(),
});

/** A day: as long as an envelope lives, so that what a run sends stays until it has ended. */
const restMs = 24 * 3_600_000;
/** An hour without a byte written: nobody is at work on it. */
const stillMs = 3_600_000;
/** Directories in the cache in which something is being made. */
export const workPrefix = "making-";
/** Every file of this cache is named by a digest; anything else is not ours to remove. */
const payloadName = /^[0-9a-f]{64}[.-]/;
const noteSuffix = ".note";
export const maxCacheBytes = 8 * 1024 ** 3;

/**
 * The payload at `path`: what an earlier call made when it is still intact, else what `make` puts there, whole and by rename:
 * other processes use the same cache. Throws LackingError when the files here are the trouble.
 */
export async function cachedPayload(
  path: string,
  codec: PayloadFile["codec"],
  make: () => Promise<PayloadFile>,
): Promise<PayloadFile> {
  const kept = await intactPayload(path, codec);
  if (kept !== undefined) return kept;
  const directory = dirname(path);
  try {
    const made = await make();
    await remember(made);
    return made;
  } catch (error) {
    throw orLackingDisk(directory, error);
  } finally {
    // Also after a failure: what killed processes left may be why there was no room. What cannot be trimmed now goes with the next one.
    await trimCache(directory, { maxBytes: maxCacheBytes, now: Date.now() }).catch(() => undefined);
  }
}

/** What is kept at `path`, undefined when there is nothing or it was damaged. */
export async function intactPayload(path: string, codec: PayloadFile["codec"]): Promise<PayloadFile | undefined> {
  try {
    const note = Note.parse(Object.fromEntries(parseKeyValues(await readFile(`${path}.note`, "utf8"))));
    if ((await digestOfFile(path)) !== note.digest) return undefined;
    const now = new Date();
    await utimes(path, now, now); // the order in which files go
    const { digest, bytes, base, "output-bytes": outputBytes, "memory-mib": memoryMib } = note;
    return {
      ...{ path, codec, digest, bytes, outputBytes },
      ...(base === undefined ? {} : { base }),
      ...(memoryMib === undefined ? {} : { memoryMib }),
    };
  } catch {
    return undefined; // no note, no file, or a broken one: all mean that it has to be made
  }
}

/**
 * Removes the payloads that were not used for longest until the rest fits; those of the last day stay in any case. What nobody
 * can use (unfinished, without a note, a note without a payload) goes when it has been still for an hour, and counts until then.
 */
export async function trimCache(
  directory: string,
  { maxBytes, now }: { readonly maxBytes: number; readonly now: number },
): Promise<void> {
  const all = await readdir(directory);
  const work = all.filter((name) => name.startsWith(workPrefix));
  await removeStill(directory, { names: work, forMs: restMs, now });
  const ours = new Set(all.filter((name) => payloadName.test(name)));
  const kept = [...ours].filter((name) => ours.has(`${name}${noteSuffix}`));
  const used = new Set(kept.flatMap((name) => [name, `${name}${noteSuffix}`]));
  const rest = [...ours].filter((name) => !used.has(name));
  const unusable = await removeStill(directory, { names: rest, forMs: stillMs, now });
  const found = await Promise.all(
    kept.map(async (name) => {
      const stats = await stat(join(directory, name)).catch(() => undefined);
      return { path: join(directory, name), bytes: stats?.size ?? 0, usedAt: stats?.mtimeMs ?? 0 };
    }),
  );
  let total = found.reduce((sum, { bytes }) => sum + bytes, unusable);
  for (const { path, bytes, usedAt } of found.sort((a, b) => a.usedAt - b.usedAt)) {
    if (total <= maxBytes || now - usedAt < restMs) return;
    await rm(path, { force: true });
    await rm(`${path}${noteSuffix}`, { force: true });
    total -= bytes;
  }
}

/** What a process that died had made. Gives the bytes of what stays, since somebody may be at work on it. */
async function removeStill(
  directory: string,
  { names, forMs, now }: { readonly names: readonly string[]; readonly forMs: number; readonly now: number },
): Promise<number> {
  let bytes = 0;
  for (const path of names.map((name) => join(directory, name))) {
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined) continue;
    if (now - stats.mtimeMs > forMs) await rm(path, { recursive: true, force: true });
    else bytes += stats.size;
  }
  return bytes;
}

async function remember({ path, digest, bytes, outputBytes, base, memoryMib }: PayloadFile): Promise<void> {
  const entries: KeyValue[] = [
    ["digest", digest],
    ["bytes", `${bytes}`],
    ["output-bytes", `${outputBytes}`],
  ];
  if (base !== undefined) entries.push(["base", base]);
  if (memoryMib !== undefined) entries.push(["memory-mib", `${memoryMib}`]);
  await writeWhole(`${path}.note`, (temporary) => writeFile(temporary, encodeKeyValues(entries)));
}

export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
