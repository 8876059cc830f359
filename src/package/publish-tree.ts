// Puts one tree into an artifact store: payload first, manifest last, so that a manifest means that everything is there.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../model/names.ts";
import type { ArtifactStorePort } from "../ports.ts";
import { hexOf, manifestPath, payloadPath } from "./layout.ts";
import {
  encodeManifest,
  type ManifestEntry,
  maxManifestBytes,
  parseManifest,
  treeDigest,
  treeSize,
} from "./manifest.ts";
import { writePayload } from "./payload.ts";

export interface ScannedTree {
  readonly directory: string;
  readonly manifest: string;
  readonly digest: Digest;
  readonly files: number;
  /** Sum of the file sizes. */
  readonly bytes: number;
}

/** Names what was scanned. Throws `unsafe-tree`. */
export function nameTree(directory: string, entries: readonly ManifestEntry[]): ScannedTree {
  const manifest = encodeManifest(entries);
  return { directory, manifest, digest: treeDigest(manifest), ...treeSize(entries) };
}

/** Safe to repeat: a tree that is there already is neither packed nor sent again. Gives the bytes of payload sent. */
export async function publishTree(input: {
  readonly tree: ScannedTree;
  readonly store: ArtifactStorePort;
  readonly workDirectory: string;
  readonly zstdLevel?: number;
}): Promise<number> {
  const { tree, store, workDirectory, zstdLevel } = input;
  if ((await store.read(manifestPath(tree.digest), maxManifestBytes)) === tree.manifest) return 0;
  const { path, bytes } = await writePayload({
    directory: tree.directory,
    entries: parseManifest(tree.manifest),
    codec: "zstd",
    target: join(workDirectory, `${hexOf(tree.digest)}.tar.zst`),
    ...(zstdLevel === undefined ? {} : { zstdLevel }),
  });
  await store.upload(payloadPath(tree.digest), path);
  await store.write(manifestPath(tree.digest), tree.manifest);
  await rm(path);
  return bytes;
}
