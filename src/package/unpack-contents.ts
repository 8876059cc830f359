// Contents of a full payload on local disk, each file named by its own digest: no path of the archive is ever used here.
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { CutoverError, orLackingDisk } from "../errors.ts";
import { boundTarHeaders } from "./bound-tar-headers.ts";
import { zstdDecompressor } from "./compress.ts";
import type { ManifestEntry } from "./manifest.ts";

/** A resized entry would put the bound on headers out of step with the archive; publishers write none. */
const isResized = ({ pax }: Header): boolean => Object.hasOwn(pax ?? {}, "size");

const types = { file: "file", directory: "directory", link: "symlink" } as const;

/**
 * Files of `entries` whose SHA-256 is in `wanted` appear in `directory` under it. Throws `payload-damaged` when the archive is
 * not that of the manifest, LackingError when the files here are the trouble.
 */
export async function unpackContents(input: {
  /** A zstd payload. */
  readonly payload: string;
  readonly entries: readonly ManifestEntry[];
  readonly wanted: ReadonlySet<string>;
  readonly directory: string;
  readonly signal?: AbortSignal;
}): Promise<void> {
  const { payload, entries, wanted, directory, signal } = input;
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw orLackingDisk(directory, error);
  });
  const missing = new Set(wanted);
  const archive = extract();
  const packed = createReadStream(payload);
  const reading = pipeline(packed, zstdDecompressor(), boundTarHeaders(), archive, signal ? { signal } : {});
  const sorting = (async () => {
    let at = 0;
    for await (const member of archive) {
      const entry = entries[at];
      at += 1;
      if (entry === undefined || isResized(member.header) || !isMember(member.header, entry))
        throw damaged(`member ${at} is not that of the manifest`);
      if (entry.kind !== "file" || !missing.delete(entry.sha256)) {
        for await (const _ of member); // skipped
        continue;
      }
      const hash = createHash("sha256");
      const target = join(directory, entry.sha256);
      async function* checked(): AsyncGenerator<Buffer> {
        for await (const chunk of member as AsyncIterable<Buffer>) {
          hash.update(chunk);
          yield chunk;
        }
      }
      await pipeline(checked, createWriteStream(`${target}.part`));
      if (hash.digest("hex") !== entry.sha256) throw damaged(`${entry.path} has another digest than its manifest says`);
      await rename(`${target}.part`, target);
    }
    if (at !== entries.length || missing.size > 0) throw damaged("it lacks entries of the manifest");
  })();
  // Whatever ends one ends the other; what was found in the archive is the better reason.
  const [sorted, read] = await Promise.allSettled([sorting, reading]);
  signal?.throwIfAborted();
  const reasons = [sorted, read].flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  if (reasons.length === 0) return;
  const known = reasons
    .map((reason) => orLackingDisk(directory, reason))
    .find((reason) => reason instanceof CutoverError);
  throw (
    known ?? damaged(reasons.map((reason) => (reason instanceof Error ? reason.message : String(reason))).join("; "))
  );
}

function isMember(header: Header, entry: ManifestEntry): boolean {
  const size = entry.kind === "file" ? entry.sizeBytes : 0;
  return (
    header.name.replace(/\/$/, "") === entry.path && header.type === types[entry.kind] && (header.size ?? 0) === size
  );
}

function damaged(evidence: string): CutoverError {
  return new CutoverError({
    code: "payload-damaged",
    message: "A payload in the artifact repository is not that of its manifest",
    evidence,
    impact: "No patch is made from it",
    remedy: "publish the version again",
  });
}
