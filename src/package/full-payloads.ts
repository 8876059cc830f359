// Full payloads of trees on local disk: downloaded or transcoded once, checked against the tree's manifest for their size.
import { join } from "node:path";
import type { Digest } from "../model/names.ts";
import type { Codec, PayloadFile } from "../model/transfer.ts";
import type { ArtifactStorePort } from "../ports.ts";
import { corruptArtifact, incompleteArtifact } from "./artifact-errors.ts";
import { hexOf, manifestPath, payloadPath } from "./layout.ts";
import { maxManifestBytes, parseManifest, treeDigest } from "./manifest.ts";
import { once } from "./once.ts";
import { maxTarBytes, measurePayload, transcodePayload } from "./payload.ts";
import { cachedPayload } from "./payload-cache.ts";
import { writeWhole } from "./write-whole.ts";

export interface FullPayloads {
  /** The manifest of a tree, checked against its digest. Throws `artifact-incomplete`, `artifact-corrupt`. */
  manifest(tree: Digest): Promise<string>;
  /** Asked twice at once, it is made once. Nothing is remembered beyond that: a kept file may be damaged by now (F21). */
  payload(tree: Digest, codec: Codec): Promise<PayloadFile>;
}

export function fullPayloads({
  store,
  cacheDirectory,
}: {
  readonly store: ArtifactStorePort;
  readonly cacheDirectory: string;
}): FullPayloads {
  const making = new Map<string, Promise<PayloadFile>>();

  async function manifest(tree: Digest): Promise<string> {
    const text = await store.read(manifestPath(tree), maxManifestBytes);
    if (text === undefined) throw incompleteArtifact(store, manifestPath(tree));
    if (treeDigest(text) !== tree) throw corruptArtifact(manifestPath(tree));
    return text;
  }

  async function makePayload(tree: Digest, codec: Codec): Promise<PayloadFile> {
    const maxOutputBytes = maxTarBytes(parseManifest(await manifest(tree)));
    const target = join(cacheDirectory, `${hexOf(tree)}.tar.${codec}`);
    return cachedPayload(target, codec, async () => {
      if (codec === "zstd") return downloadPayload(tree, { target, maxOutputBytes });
      const source = await payload(tree, "zstd");
      return transcodePayload({ source: source.path, codec, target, maxOutputBytes });
    });
  }

  async function downloadPayload(
    tree: Digest,
    { target, maxOutputBytes }: { target: string; maxOutputBytes: number },
  ): Promise<PayloadFile> {
    const maxBytes = Math.ceil(maxOutputBytes * 1.01); // what does not compress grows a little
    // It gets its name when it is known to be good: another process may be sending what lies there.
    const measured = await writeWhole(target, async (temporary) => {
      const found = await store.download({ path: payloadPath(tree), target: temporary, maxBytes });
      if (!found) throw incompleteArtifact(store, payloadPath(tree));
      return measurePayload(temporary, maxOutputBytes);
    });
    return { ...measured, path: target };
  }

  function payload(tree: Digest, codec: Codec): Promise<PayloadFile> {
    return once(making, { key: `${tree}.${codec}`, keep: "while-running" }, () => makePayload(tree, codec));
  }

  return { manifest, payload };
}
