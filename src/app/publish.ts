// Publishing: a directory becomes a signed version in an artifact repository. Same inputs, same bytes.
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CutoverError, UsageError } from "../errors.ts";
import { Component } from "../model/component.ts";
import { maxKeyValueBytes } from "../model/key-values.ts";
import { type Digest, Version } from "../model/names.ts";
import { signatureBlocks, signingKeyOf } from "../model/ssh-signature.ts";
import { bundleEntries, checkPublishable } from "../package/check-publishable.ts";
import { encodeVersions, parseVersions, releasePath, signaturesPath, versionsPath } from "../package/layout.ts";
import { nameTree, publishTree, type ScannedTree } from "../package/publish-tree.ts";
import {
  encodeReleaseMetadata,
  parseReleaseMetadata,
  type ReleaseMetadata,
  releaseNamespace,
} from "../package/release-metadata.ts";
import { scanTree } from "../package/scan-tree.ts";
import type { ArtifactStorePort, SignerPort } from "../ports.ts";
import { refuseMissingSdk } from "./copy-task-sdk.ts";
import { type PatchOptions, type PublishedPatches, publishPatches } from "./publish-patches.ts";
import { refuseOtherContent } from "./version-taken.ts";

export interface PublishInput {
  /** The tree to publish. */
  readonly directory: string;
  readonly component: Component;
  readonly version: string;
  /** Private release keys, one signature each. */
  readonly releaseKeys: readonly string[];
  readonly store: ArtifactStorePort;
  readonly signer: SignerPort;
  /** The executables of the component's tasks: `tasks/` beside the component file. */
  readonly bundleDirectory?: string;
  /** Same tree and contract, but a new bundle or a new expiry, under a higher sequence. */
  readonly amend?: boolean;
  /** The source date in milliseconds since 1970; expiry counts from it. */
  readonly now: number;
  readonly expiresInDays?: number;
  /** By default one above the highest that is published. */
  readonly sequence?: number;
  /** By default that of the version's earlier publication, else 0. */
  readonly floor?: number;
  readonly zstdLevel?: number;
  /** Patches from the last versions to this one; none when left out. */
  readonly patches?: PatchOptions;
}

export interface PublishResult {
  /** `signed`: published already, and now also signed with the given keys. */
  readonly outcome: "published" | "amended" | "signed" | "unchanged";
  readonly component: string;
  readonly version: string;
  readonly sequence: number;
  /** Seconds since 1970. */
  readonly expires: number;
  /** Security floor: versions with a lower sequence never run again once this one is committed. */
  readonly floor: number;
  readonly tree: Digest;
  readonly bundle: Digest | undefined;
  readonly files: number;
  readonly treeBytes: number;
  /** Compressed bytes that were sent; 0 when the store had them. */
  readonly sentBytes: number;
  readonly signatures: number;
  readonly scanMs: number;
  readonly packMs: number;
  readonly signMs: number;
  readonly patches?: PublishedPatches;
}

/** Compressed; 0 for what the store had. */
interface SentBytes {
  readonly tree: number;
  readonly bundle: number;
}

interface Content {
  readonly tree: ScannedTree;
  readonly bundle: ScannedTree | undefined;
}

/**
 * Idempotent: publishing what is published already changes nothing and says so. Throws `version-taken` when the version
 * stands for something else, `contract-not-met`, `unsafe-tree`, `unsafe-bundle`, `tree-changed`, `sequence-taken`.
 */
export async function publish(input: PublishInput): Promise<PublishResult> {
  checkInput(input);
  const started = performance.now();
  const content = await scan(input);
  const { result, sent } = await publishVersion(input, content, { started, scanned: performance.now() });
  const { component, version, patches: options, ...rest } = input;
  if (options === undefined) return result;
  // Last: a version is there as soon as it can be, also when making its patches takes long or is interrupted.
  const patches = await publishPatches({
    ...rest,
    ...{ component: component.name, version, tree: content.tree, options },
    ...(sent === undefined || sent.tree === 0 ? {} : { fullBytes: sent.tree }),
  });
  return { ...result, patches };
}

async function publishVersion(
  input: PublishInput,
  content: Content,
  { started, scanned }: { started: number; scanned: number },
): Promise<{ result: PublishResult; sent?: SentBytes }> {
  const earlier = await earlierRelease(input);
  if (
    earlier !== undefined &&
    refuseOtherContent({ earlier, next: metadataOf(input, content, earlier), amend: input.amend })
  ) {
    const signatures = await addMissingSignatures(input, earlier);
    const result = {
      ...summary(signatures > 0 ? "signed" : "unchanged", earlier),
      ...{ scanMs: scanned - started, sentBytes: 0, signatures, packMs: 0, signMs: performance.now() - scanned },
    };
    return { result };
  }
  if (earlier === undefined && input.amend === true) {
    throw new UsageError(`${input.component.name} ${input.version} is not published, so there is nothing to amend`);
  }
  const published = await publishedVersions(input);
  const metadata = metadataOf(input, content, {
    sequence: nextSequence(input, published),
    expires: Math.floor(input.now / 1000) + (input.expiresInDays ?? 90) * 86_400,
    floor: input.floor ?? earlier?.floor ?? 0,
  });
  if (!Number.isInteger(metadata.floor) || metadata.floor < 0 || metadata.floor > metadata.sequence) {
    throw new UsageError(`The rollback floor must be between 0 and ${metadata.sequence}, the version's own sequence`);
  }
  const sent = await send(input, content);
  const packed = performance.now();
  await signAndList(input, metadata, published);
  const result = {
    ...summary(earlier === undefined ? "published" : "amended", metadata),
    sentBytes: sent.tree + sent.bundle,
    signatures: input.releaseKeys.length,
    scanMs: scanned - started,
    packMs: packed - scanned,
    signMs: performance.now() - packed,
  };
  return { result, sent };
}

function checkInput({ component, version, releaseKeys, sequence, expiresInDays, patches }: PublishInput): void {
  Component.parse(component);
  if (!Version.safeParse(version).success) throw new UsageError(`${JSON.stringify(version)} is not a version`);
  if (version === "versions")
    throw new UsageError("`versions` cannot be a version: the list of versions has that name");
  if (releaseKeys.length === 0)
    throw new UsageError("Publishing needs at least one release key", "cutover keys new release");
  // An amendment carries old and new signatures for a moment, and hosts read at most 16.
  if (releaseKeys.length > 8) throw new UsageError("At most 8 release keys can sign a version");
  if (patches !== undefined && !(Number.isInteger(patches.from) && patches.from >= 0 && patches.from <= 50))
    throw new UsageError("Patches can be made from 0 to 50 earlier versions");
  if (sequence !== undefined && !(Number.isSafeInteger(sequence) && sequence > 0))
    throw new UsageError("A sequence is a whole number above 0");
  if (expiresInDays !== undefined && !(Number.isInteger(expiresInDays) && expiresInDays > 0 && expiresInDays <= 3650)) {
    throw new UsageError("A version expires after 1 to 3650 days");
  }
}

async function scan({ directory, component, bundleDirectory }: PublishInput): Promise<Content> {
  const isDirectory = await stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory) throw new UsageError(`${directory} is not a directory that can be read`, "cutover help publish");
  const tree = await scanTree(directory);
  const bundle = bundleDirectory === undefined ? [] : bundleEntries(await scanTree(bundleDirectory));
  checkPublishable(component, tree, bundle);
  if (bundleDirectory !== undefined) await refuseMissingSdk(bundleDirectory);
  return {
    tree: nameTree(directory, tree),
    bundle: bundleDirectory === undefined || bundle.length === 0 ? undefined : nameTree(bundleDirectory, bundle),
  };
}

function metadataOf(
  { component, version }: PublishInput,
  { tree, bundle }: Content,
  place: Pick<ReleaseMetadata, "sequence" | "expires" | "floor">,
): ReleaseMetadata {
  const { sequence, expires, floor } = place;
  return {
    component: component.name,
    version,
    sequence,
    expires,
    floor,
    tree: { digest: tree.digest, bytes: tree.bytes, files: tree.files },
    bundle: bundle === undefined ? undefined : { digest: bundle.digest, bytes: bundle.bytes },
    contract: component,
  };
}

async function earlierRelease({ store, component, version }: PublishInput): Promise<ReleaseMetadata | undefined> {
  const text = await store.read(releasePath(component.name, version), maxKeyValueBytes);
  return text === undefined ? undefined : parseReleaseMetadata(text);
}

async function publishedVersions({ store, component }: PublishInput): Promise<{ sequence: number; version: string }[]> {
  return parseVersions((await store.read(versionsPath(component.name), maxKeyValueBytes)) ?? "");
}

function nextSequence({ sequence, component }: PublishInput, published: readonly { sequence: number }[]): number {
  const highest = Math.max(0, ...published.map((entry) => entry.sequence));
  if (sequence === undefined) return highest + 1;
  if (sequence > highest) return sequence;
  throw new CutoverError({
    code: "sequence-taken",
    message: `Sequence ${sequence} of ${component.name} is not above ${highest}, the highest that is published`,
    impact: "Nothing was published",
  });
}

async function send({ store, zstdLevel }: PublishInput, { tree, bundle }: Content): Promise<SentBytes> {
  const workDirectory = await mkdtemp(join(tmpdir(), "cutover-publish-"));
  const level = zstdLevel === undefined ? {} : { zstdLevel };
  try {
    const treeBytes = await publishTree({ tree, store, workDirectory, ...level });
    const bundleBytes = bundle === undefined ? 0 : await publishTree({ tree: bundle, store, workDirectory, ...level });
    return { tree: treeBytes, bundle: bundleBytes };
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}

/** A version that was signed with a key nobody trusts is mended by publishing it again with the right one. */
async function addMissingSignatures(input: PublishInput, metadata: ReleaseMetadata): Promise<number> {
  const { store, signer, releaseKeys, component, version } = input;
  const data = encodeReleaseMetadata(metadata);
  const path = signaturesPath(component.name, version);
  const present = (await store.read(path, maxKeyValueBytes)) ?? "";
  const keys = new Set(signatureBlocks(present).map(signingKeyOf));
  const made = await Promise.all(
    releaseKeys.map((keyPath) => signer.sign({ keyPath, namespace: releaseNamespace, data })),
  );
  const missing = made.filter((signature) => !keys.has(signingKeyOf(signature)));
  if (missing.length > 0) await store.write(path, present + missing.join(""));
  return missing.length;
}

/** The list first: a sequence that somebody may have seen is never given out twice, not even after a crash here. */
async function signAndList(
  { store, signer, releaseKeys }: PublishInput,
  metadata: ReleaseMetadata,
  published: readonly { sequence: number; version: string }[],
): Promise<void> {
  const { component, version, sequence } = metadata;
  const data = encodeReleaseMetadata(metadata);
  const signatures: string[] = [];
  for (const keyPath of releaseKeys) signatures.push(await signer.sign({ keyPath, namespace: releaseNamespace, data }));
  const others = published.filter((entry) => entry.version !== version);
  await store.write(versionsPath(component), encodeVersions([...others, { sequence, version }]));
  const replaced = (await store.read(signaturesPath(component, version), maxKeyValueBytes)) ?? "";
  await store.write(signaturesPath(component, version), signatures.join("") + replaced); // good for the old and the new text
  await store.write(releasePath(component, version), data);
  if (replaced !== "") await store.write(signaturesPath(component, version), signatures.join(""));
}

function summary(
  outcome: PublishResult["outcome"],
  metadata: ReleaseMetadata,
): Omit<PublishResult, "sentBytes" | "signatures" | "scanMs" | "packMs" | "signMs"> {
  const { component, version, sequence, expires, floor, tree, bundle } = metadata;
  return {
    outcome,
    component,
    version,
    sequence,
    expires,
    floor,
    tree: tree.digest,
    bundle: bundle?.digest,
    files: tree.files,
    treeBytes: tree.bytes,
  };
}
