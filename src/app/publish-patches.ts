// Patches of a version that is being published: from the last versions to this one, listed and signed beside its tree. They only
// save bytes: whatever cannot be made is said and left out, and the version stands without it.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { CutoverError } from "../errors.ts";
import { maxKeyValueBytes } from "../model/key-values.ts";
import type { Digest } from "../model/names.ts";
import type { PatchVariant, PayloadFile, PublishedPatch, TransferList } from "../model/transfer.ts";
import { artifactRepository } from "../package/artifact-repository.ts";
import { fullPayloads } from "../package/full-payloads.ts";
import { parseVersions, patchPath, releasePath, versionsPath } from "../package/layout.ts";
import { parseManifest } from "../package/manifest.ts";
import { compareTrees } from "../package/patch/compare-trees.ts";
import { effortSettings, type PatchEffort } from "../package/patch/effort.ts";
import { filesRead, openPublishedTree } from "../package/patch/make-pair-patch.ts";
import { makePatches } from "../package/patch/make-patches.ts";
import type { ScannedTree } from "../package/publish-tree.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import type { ArtifactStorePort, OnProgress, PatchTool, PatchToolPort, SignerPort } from "../ports.ts";
import { problemOfTransfers } from "./check-transfers.ts";
import { readTransfers, writeTransfers } from "./sign-transfers.ts";

export interface PatchOptions {
  readonly tools: PatchToolPort;
  /** How many of the last versions get a patch to this one. */
  readonly from: number;
  readonly effort: PatchEffort;
  /** Public keys of others who sign the same versions: a list of theirs is checked and signed as it is, not made anew. */
  readonly cosigners?: readonly string[];
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface PublishPatchesInput {
  readonly component: string;
  readonly version: string;
  readonly tree: ScannedTree;
  readonly store: ArtifactStorePort;
  readonly signer: SignerPort;
  readonly releaseKeys: readonly string[];
  readonly options: PatchOptions;
  /** Compressed bytes of the full artifact, where they are known. */
  readonly fullBytes?: number;
}

/** What came of one version that a host may come from. */
export interface PatchOutcome {
  readonly fromVersion: string;
  /** Bytes that a host receives, by variant; empty when it gets the full artifact. */
  readonly bytes: Readonly<Partial<Record<PatchVariant, number>>>;
  /** `made` now, `kept` from an earlier time, or why there is none. */
  readonly outcome: "made" | "kept" | "same-tree" | "not-smaller" | "not-possible";
  /** Why it is not possible, or what an encoder failed with. */
  readonly reason?: string;
}

export interface PublishedPatches {
  /** Compressed bytes of the full artifact. */
  readonly fullBytes: number;
  readonly patches: readonly PatchOutcome[];
  /** Encoders that are not installed here. */
  readonly missingTools: readonly PatchTool[];
  readonly patchMs: number;
  /** A list of a co-signer that was signed as it is, or why it was not; undefined when there was none. */
  readonly cosigned?: { readonly problem: string | undefined };
  /** Signatures of others that a new list made void: they have to sign again. */
  readonly voided: number;
}

interface Base {
  readonly version: string;
  readonly tree: Digest;
}

/**
 * Idempotent: patches that are there and signed with the same keys stay, `best` makes them anew and keeps the smaller. What a
 * co-signer lists is signed unchanged once it is checked: other bytes would make his signature void.
 */
export async function publishPatches(input: PublishPatchesInput): Promise<PublishedPatches> {
  const { store, tree, options } = input;
  const started = performance.now();
  const installed = await options.tools.installed();
  const signing = { ...input, ...(options.cosigners ? { cosigners: options.cosigners } : {}) };
  const present = await readTransfers(signing, tree.digest);
  const own = present?.signedBy === "own" ? present.list : undefined;
  const workDirectory = await mkdtemp(join(tmpdir(), "cutover-patches-"));
  try {
    const full = fullPayloads({ store, cacheDirectory: join(workDirectory, "full") });
    const fullBytes = input.fullBytes ?? own?.fullBytes ?? (await full.payload(tree.digest, "zstd")).bytes;
    const missingTools = (["zstd", "bsdiff"] as const).filter((tool) => !installed.includes(tool));
    const cosigned =
      present?.signedBy === "cosigner" && options.effort === "fast"
        ? { problem: await problemOf({ ...input, list: present.list, fullBytes, workDirectory }) }
        : undefined;
    if (present !== undefined && cosigned !== undefined && cosigned.problem === undefined) {
      const voided = await writeTransfers(signing, present.list);
      const patches = (await lastVersions(input)).map((base) => keptFrom(present.list, base));
      return { fullBytes, patches, missingTools, patchMs: performance.now() - started, cosigned, voided };
    }
    const listed = new Map((own?.patches ?? []).map((patch) => [`${patch.from}.${patch.variant}`, patch]));
    const patches: PatchOutcome[] = [];
    for (const base of await lastVersions(input))
      patches.push(await patchFrom({ ...input, full, fullBytes, listed, installed, workDirectory }, base));
    const voided = await writeTransfers(signing, { tree: tree.digest, fullBytes, patches: [...listed.values()] });
    const patchMs = performance.now() - started;
    return { fullBytes, patches, missingTools, patchMs, voided, ...(cosigned === undefined ? {} : { cosigned }) };
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}

/** A list that cannot be checked is not signed; the version and its own patches are none the worse. */
async function problemOf(
  input: PublishPatchesInput & { readonly list: TransferList; readonly fullBytes: number; workDirectory: string },
): Promise<string | undefined> {
  const { store, options, workDirectory } = input;
  const cacheDirectory = join(workDirectory, "cosigned");
  const artifacts = artifactRepository({ store, cacheDirectory, tools: options.tools });
  try {
    return await problemOfTransfers({ ...input, artifacts });
  } catch (error) {
    if (!(error instanceof CutoverError) || error.disposition === "retry") throw error;
    return error.message;
  }
}

function keptFrom(list: TransferList, { version, tree }: Base): PatchOutcome {
  const fromVersion = version;
  if (tree === list.tree) return { fromVersion, bytes: {}, outcome: "same-tree" };
  const bytes = listedFrom(new Map(list.patches.map((patch) => [patch.digest, patch])), tree);
  if (Object.keys(bytes).length > 0) return { fromVersion, bytes, outcome: "kept" };
  const reason = "the co-signer's list has none; --effort best makes it anew";
  return { fromVersion, bytes, outcome: "not-possible", reason };
}

interface PatchFromInput extends PublishPatchesInput {
  readonly full: ReturnType<typeof fullPayloads>;
  readonly fullBytes: number;
  /** What the list will say; patches are added. */
  readonly listed: Map<string, PublishedPatch>;
  readonly installed: readonly PatchTool[];
  readonly workDirectory: string;
}

async function patchFrom(input: PatchFromInput, base: Base): Promise<PatchOutcome> {
  const { tree, options, listed, installed, fullBytes } = input;
  const fromVersion = base.version;
  if (base.tree === tree.digest) return { fromVersion, bytes: {}, outcome: "same-tree" };
  const present = listedFrom(listed, base.tree);
  if (options.effort === "fast" && Object.keys(present).length > 0)
    return { fromVersion, bytes: present, outcome: "kept" };
  if (!installed.includes("zstd"))
    return { fromVersion, bytes: present, outcome: "not-possible", reason: "zstd is not installed here" };
  try {
    let reason: string | undefined;
    const made = await make(input, base, (error) => {
      reason ??= [error.message, error.evidence].filter((text) => text !== undefined).join(": ");
    });
    let kept = false;
    for (const patch of smallerOnly(made, fullBytes)) {
      const known = listed.get(`${patch.from}.${patch.variant}`);
      if (known !== undefined && known.bytes <= patch.bytes) continue;
      await input.store.upload(patchPath({ from: base.tree, to: tree.digest, variant: patch.variant }), patch.path);
      listed.set(`${patch.from}.${patch.variant}`, patch.entry);
      kept = true;
    }
    const bytes = listedFrom(listed, base.tree);
    const outcome = kept ? "made" : Object.keys(bytes).length > 0 ? "kept" : "not-smaller";
    return { fromVersion, bytes, outcome, ...(reason === undefined ? {} : { reason }) };
  } catch (error) {
    options.signal?.throwIfAborted();
    // A base that is damaged or incomplete in the repository, a tool that failed: the version itself is none the worse.
    if (!(error instanceof CutoverError)) throw error;
    return { fromVersion, bytes: present, outcome: "not-possible", reason: error.message };
  }
}

async function make(
  input: PatchFromInput,
  base: Base,
  onToolFailed: (error: CutoverError) => void,
): Promise<ReadonlyMap<PatchVariant, PayloadFile>> {
  const { tree, options, installed, full, workDirectory } = input;
  const { signal } = options;
  const directory = join(workDirectory, base.version);
  await mkdir(directory);
  try {
    const to = { digest: tree.digest, entries: parseManifest(tree.manifest) };
    const entries = parseManifest(await full.manifest(base.tree));
    const files = filesRead(compareTrees(entries, to.entries)).from;
    const contents = { entries, files, directory: join(directory, "from"), ...(signal ? { signal } : {}) };
    const from = await openPublishedTree({ tree: base.tree, full, ...contents });
    return await makePatches({
      ...{ from, to: { ...to, locate: ({ path }) => join(tree.directory, path) }, tools: options.tools },
      variants: installed.includes("bsdiff") ? ["zstd", "zstd-bsdiff"] : ["zstd"],
      settings: effortSettings(options.effort, { memoryBytes: totalmem() }),
      workDirectory: directory,
      target: (variant) => join(workDirectory, `${base.version}.${variant}`),
      name: `patch from ${base.version}`,
      onToolFailed,
      ...(options.onProgress ? { onProgress: options.onProgress } : {}),
      ...(signal ? { signal } : {}),
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Patches that are smaller than the full artifact, and than those of fewer decoders. */
function smallerOnly(
  made: ReadonlyMap<PatchVariant, PayloadFile>,
  fullBytes: number,
): { path: string; from: string; variant: PatchVariant; bytes: number; entry: PublishedPatch }[] {
  let least = fullBytes;
  return [...made].flatMap(([variant, { path, base: from = "", digest, bytes, outputBytes, memoryMib = 0 }]) => {
    if (bytes >= least) return [];
    least = bytes;
    return [{ path, from, variant, bytes, entry: { from, variant, digest, bytes, outputBytes, memoryMib } }];
  });
}

function listedFrom(listed: ReadonlyMap<string, PublishedPatch>, from: Digest): Partial<Record<PatchVariant, number>> {
  const found = [...listed.values()].filter((patch) => patch.from === from);
  return Object.fromEntries(found.map(({ variant, bytes }) => [variant, bytes]));
}

/** The newest other versions, each tree once. */
async function lastVersions({ store, component, version, options }: PublishPatchesInput): Promise<Base[]> {
  const text = (await store.read(versionsPath(component), maxKeyValueBytes)) ?? "";
  const bases: Base[] = [];
  for (const other of parseVersions(text).slice(0, options.from + 1)) {
    if (other.version === version || bases.length === options.from) continue;
    const metadata = await store.read(releasePath(component, other.version), maxKeyValueBytes);
    if (metadata === undefined) continue; // its publisher was interrupted
    bases.push({ version: other.version, tree: parseReleaseMetadata(metadata).tree.digest });
  }
  return bases;
}
