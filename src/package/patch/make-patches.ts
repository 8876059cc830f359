// Making patches: what differs between two trees is grouped, every group goes through the codecs that hosts may have, and each
// variant takes the smallest of what it may use.
import { rm } from "node:fs/promises";
import { constants, zstdCompressSync } from "node:zlib";
import pMap from "p-map";
import { CutoverError, orLackingDisk } from "../../errors.ts";
import type { PatchVariant, PayloadFile } from "../../model/transfer.ts";
import type { OnProgress, PatchTool, PatchToolPort } from "../../ports.ts";
import { compareTrees, type TreeDifference } from "./compare-trees.ts";
import type { EffortSettings } from "./effort.ts";
import { codecsFor, type EncodedGroup, groupEncoder } from "./encode-group.ts";
import { type FileGroup, groupFiles, joinGroups } from "./group-files.ts";
import { type PackedIndex, writePatch } from "./patch-container.ts";
import { encodePatchIndex, type GroupCodec, maxIndexBytes, outputBytesOf } from "./patch-index.ts";
import type { TreeSource } from "./tree-source.ts";

/** What an envelope asks for at least. */
const smallestMemoryMib = 16;

export interface MakePatchesInput {
  readonly from: TreeSource;
  readonly to: TreeSource;
  readonly variants: readonly PatchVariant[];
  readonly settings: EffortSettings;
  readonly tools: PatchToolPort;
  /** For what is made on the way; the caller removes it. */
  readonly workDirectory: string;
  /** Where the patch of a variant appears, by rename. */
  readonly target: (variant: PatchVariant) => string;
  /** What is being made, for `onProgress`. */
  readonly name: string;
  readonly onProgress?: OnProgress;
  /** An encoder failed on a group that goes through another one instead. */
  readonly onToolFailed?: (error: CutoverError) => void;
  readonly signal?: AbortSignal;
}

const variantTools: Readonly<Record<PatchVariant, readonly PatchTool[]>> = {
  zstd: ["zstd"],
  "zstd-bsdiff": ["zstd", "bsdiff"],
};

/** One patch a variant. Of variants that came out the same only the first is there. Throws LackingError when the files here are the trouble. */
export async function makePatches(input: MakePatchesInput): Promise<Map<PatchVariant, PayloadFile>> {
  return makeEach(input).catch((error: unknown) => {
    throw orLackingDisk(input.workDirectory, error);
  });
}

async function makeEach(input: MakePatchesInput): Promise<Map<PatchVariant, PayloadFile>> {
  const { from, to, settings, variants, target } = input;
  const difference = compareTrees(from.entries, to.entries);
  const installed = (await input.tools.installed()).filter((tool) =>
    variants.some((variant) => variantTools[variant].includes(tool)),
  );
  const progress = workProgress(input);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(input.signal ? [input.signal] : [])]);
  const encoder = groupEncoder({ ...input, onWork: progress.onWork, signal });
  const known = new Map<string, EncodedGroup>();

  /** Every job that was not done before, several at a time; gives all that is known about each group. */
  async function encodeAll(arrangement: readonly GroupPlan[]): Promise<EncodedGroup[][]> {
    const planned = arrangement.map(({ group, withBsdiff }) =>
      codecsFor(group, { installed, settings })
        .filter((codec) => withBsdiff || codec !== "bsdiff")
        .map((codec) => ({ group, codec, key: keyOf(group, codec) })),
    );
    const jobs = planned.flat().filter(({ key }) => !known.has(key));
    progress.expect(jobs.reduce((sum, { group, codec }) => sum + (codec === "none" ? 0 : group.fileBytes), 0));
    // The largest first, so that none is left to run alone at the end.
    jobs.sort((a, b) => b.group.fileBytes - a.group.fileBytes);
    const encode = async ({ group, codec, key }: (typeof jobs)[number]): Promise<void> => {
      try {
        if (!signal.aborted) known.set(key, await encoder.encode(group, codec));
      } catch (error) {
        // bsdiff asks for much memory, and the others do without it. Whatever else fails ends those that are still running.
        if (codec === "bsdiff" && error instanceof CutoverError && !signal.aborted) input.onToolFailed?.(error);
        else stop.abort(error);
      }
    };
    await pMap(jobs, encode, { concurrency: settings.concurrency });
    signal.throwIfAborted();
    return planned.map((each) => each.flatMap(({ key }) => known.get(key) ?? []));
  }

  const groups = groupFiles(difference.changed, settings);
  const separate = await encodeAll(groups.map((group) => ({ group, withBsdiff: true })));
  const made = new Map<PatchVariant, PayloadFile>();
  const seen = new Set<string>();
  for (const variant of variants) {
    // What a smaller variant may do, a larger one may too: the extra codec can cost more in the index than it saves.
    const usable = variants.filter((each) => variantTools[each].every((tool) => variantTools[variant].includes(tool)));
    const arrangements: EncodedGroup[][] = [];
    for (const each of usable) {
      const smallest = (encoded: readonly EncodedGroup[]): EncodedGroup => smallestOf(encoded, each);
      const apart = separate.map(smallest);
      arrangements.push(apart);
      for (const joined of settings.joins ? joinings(apart) : [])
        arrangements.push((await encodeAll(joined)).map(smallest));
    }
    const chosen = arrangements
      .map((arrangement) => toStage(difference, arrangement))
      .reduce((best, stage) => (stage.bytes < best.bytes ? stage : best));
    const written = await writePatch({ index: chosen.index, blobs: chosen.blobs, target: target(variant) });
    const { outputBytes, memoryMib } = chosen;
    const file: PayloadFile = {
      ...{ path: target(variant), codec: "patch", base: from.digest, outputBytes, memoryMib, ...written },
    };
    if (seen.has(file.digest)) await rm(file.path);
    else made.set(variant, file);
    seen.add(file.digest);
  }
  return made;
}

interface GroupPlan {
  readonly group: FileGroup;
  /** It is slow, and no better on many files than on each of them. */
  readonly withBsdiff: boolean;
}

/** Ways to make fewer groups: what bsdiff is not best at as one, and everything as one. */
function joinings(best: readonly EncodedGroup[]): GroupPlan[][] {
  const apart = best.filter(({ codec }) => codec === "bsdiff").map(({ group }) => group);
  const rest = best.filter(({ codec }) => codec !== "bsdiff").map(({ group }) => group);
  const byBsdiff = (group: FileGroup): GroupPlan => ({ group, withBsdiff: true });
  const byZstd = (group: FileGroup): GroupPlan => ({ group, withBsdiff: false });
  const ways: GroupPlan[][] = [];
  if (rest.length > 1) ways.push([...apart.map(byBsdiff), byZstd(joinGroups(rest))]);
  if (apart.length > 0 && best.length > 1) ways.push([byBsdiff(joinGroups([...apart, ...rest]))]);
  if (apart.length > 1 && rest.length > 1) ways.push([byBsdiff(joinGroups(apart)), byZstd(joinGroups(rest))]);
  return ways;
}

interface Stage {
  readonly index: PackedIndex;
  readonly blobs: readonly string[];
  readonly bytes: number;
  readonly outputBytes: number;
  readonly memoryMib: number;
}

function toStage(difference: TreeDifference, arrangement: readonly EncodedGroup[]): Stage {
  const { gone, directories, links, copies } = difference;
  const groups = arrangement.map(({ group, codec, blobBytes }) => ({
    ...{ codec, blobBytes },
    reference: codec === "zstd-patch" || codec === "bsdiff" ? group.references.map(({ path }) => path) : [],
    files: group.files.map(({ path, mode, sizeBytes }) => ({ path, mode, sizeBytes })),
  }));
  const index = packIndex(encodePatchIndex({ gone, directories, links, copies, groups }));
  return {
    index,
    blobs: arrangement.map(({ blob }) => blob),
    bytes: arrangement.reduce((sum, { blobBytes }) => sum + blobBytes, index.bytes.length),
    outputBytes: groups.reduce((sum, group) => sum + outputBytesOf(group), index.sizeBytes),
    memoryMib: Math.max(smallestMemoryMib, ...arrangement.map(({ memoryMib }) => memoryMib)),
  };
}

function packIndex(text: string): PackedIndex {
  const plain = Buffer.from(text, "latin1");
  if (plain.length > maxIndexBytes) throw tooManyChanges();
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants;
  const level = plain.length > 4 * 1024 ** 2 ? 12 : 22;
  const packed = zstdCompressSync(plain, { params: { [ZSTD_c_compressionLevel]: level, [ZSTD_c_checksumFlag]: 0 } });
  return packed.length < plain.length
    ? { codec: "zstd", bytes: packed, sizeBytes: plain.length }
    : { codec: "none", bytes: plain, sizeBytes: plain.length };
}

function smallestOf(encoded: readonly EncodedGroup[], variant: PatchVariant): EncodedGroup {
  const usable = encoded.filter(({ codec }) => codec !== "bsdiff" || variant === "zstd-bsdiff");
  return usable.reduce((best, each) =>
    each.blobBytes < best.blobBytes || (each.blobBytes === best.blobBytes && each.codec < best.codec) ? each : best,
  );
}

function keyOf({ files, references }: FileGroup, codec: GroupCodec): string {
  return [codec, ...files.map(({ path }) => path), "", ...references.map(({ path }) => path)].join("\n");
}

function workProgress({ name, onProgress }: MakePatchesInput): {
  onWork(bytes: number): void;
  expect(bytes: number): void;
} {
  let [done, total] = [0, 0];
  return {
    onWork(bytes) {
      done += bytes;
      onProgress?.({ what: name, done, total });
    },
    expect(bytes) {
      total += bytes;
      onProgress?.({ what: name, done, total });
    },
  };
}

function tooManyChanges(): CutoverError {
  return new CutoverError({
    code: "patch-too-large",
    message: "The trees differ in so many files that a patch cannot list them",
    impact: "The full artifact is sent instead",
  });
}
