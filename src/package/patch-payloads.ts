// Patches on local disk: published ones downloaded and checked, missing pairs made from both full artifacts, several put together
// to one payload. Each is kept in the cache and found damaged by its digest (F21).
import { createHash } from "node:crypto";
import { join } from "node:path";
import { maxKeyValueBytes } from "../model/key-values.ts";
import { Digest } from "../model/names.ts";
import type { PayloadFile, PublishedPatch } from "../model/transfer.ts";
import type { ArtifactRepositoryPort, ArtifactStorePort, PatchToolPort } from "../ports.ts";
import { corruptArtifact, incompleteArtifact } from "./artifact-errors.ts";
import type { FullPayloads } from "./full-payloads.ts";
import { hexOf, patchPath, transferSignaturesPath, transfersPath } from "./layout.ts";
import { once } from "./once.ts";
import { effortSettings, patchesAtOnce } from "./patch/effort.ts";
import { makePairPatch } from "./patch/make-pair-patch.ts";
import { chainPatches } from "./patch/patch-container.ts";
import { takeTurns } from "./patch/take-turns.ts";
import { cachedPayload, digestOfFile } from "./payload-cache.ts";
import { writeWhole } from "./write-whole.ts";

type PatchPayloads = Pick<ArtifactRepositoryPort, "transfers" | "patch" | "makePatch" | "chain">;

export function patchPayloads(input: {
  readonly store: ArtifactStorePort;
  readonly cacheDirectory: string;
  readonly tools: PatchToolPort;
  readonly full: FullPayloads;
}): PatchPayloads {
  const { store, cacheDirectory, tools, full } = input;
  const settings = effortSettings("fast", { memoryBytes: 0 });
  const making = new Map<string, Promise<PayloadFile>>();
  const turns = takeTurns(() => patchesAtOnce(process.availableMemory()));

  /** Nothing is remembered beyond the making: a kept file may be damaged by now (F21). */
  function kept(path: string, make: () => Promise<PayloadFile>): Promise<PayloadFile> {
    return once(making, { key: path, keep: "while-running" }, () => cachedPayload(path, "patch", make));
  }

  async function download(to: Digest, patch: PublishedPatch, target: string): Promise<PayloadFile> {
    const path = patchPath({ from: Digest.parse(patch.from), to, variant: patch.variant });
    await writeWhole(target, async (temporary) => {
      const found = await store.download({ path, target: temporary, maxBytes: patch.bytes });
      if (!found) throw incompleteArtifact(store, path);
      if ((await digestOfFile(temporary)) !== patch.digest) throw corruptArtifact(path);
    });
    const { from: base, digest, bytes, outputBytes, memoryMib } = patch;
    return { path: target, codec: "patch", base, digest, bytes, outputBytes, memoryMib };
  }

  return {
    async transfers(tree) {
      const text = await store.read(transfersPath(Digest.parse(tree)), maxKeyValueBytes);
      const signatures = await store.read(transferSignaturesPath(tree), maxKeyValueBytes);
      return text === undefined || signatures === undefined ? undefined : { text, signatures };
    },
    async patch(to, patch) {
      const target = join(cacheDirectory, `${hexOf(Digest.parse(patch.digest))}.patch`);
      const file = await kept(target, () => download(Digest.parse(to), patch, target));
      return { ...file, base: patch.from, outputBytes: patch.outputBytes, memoryMib: patch.memoryMib };
    },
    async makePatch({ from, to, variant, onProgress, signal }) {
      const pair = { from: Digest.parse(from), to: Digest.parse(to) };
      const target = join(cacheDirectory, `${hexOf(pair.from)}-${hexOf(pair.to)}.${variant}`);
      const watching = { ...(onProgress ? { onProgress } : {}), ...(signal ? { signal } : {}) };
      const make = () =>
        makePairPatch({ ...pair, variant, settings, target, cacheDirectory, tools, full, ...watching });
      return kept(target, () => turns(make, signal));
    },
    async chain(stages) {
      const parsed = stages.map(({ patch, to }) => ({ patch, to: Digest.parse(to) }));
      const name = createHash("sha256").update(parsed.map(({ patch, to }) => `${patch.digest} ${to}\n`).join(""));
      const target = join(cacheDirectory, `${name.digest("hex")}.chain`);
      return kept(target, () => chainPatches({ stages: parsed, target }));
    },
  };
}
