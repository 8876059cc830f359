// What a signer may put his key to without having made it himself: a list that a co-signer signed, once its bytes are there as
// it says. That the patches lead where they should is for the hosts to find out: they compare every tree with the release.
import { maxKeyValueBytes } from "../model/key-values.ts";
import type { TransferList } from "../model/transfer.ts";
import { parseVersions, releasePath, versionsPath } from "../package/layout.ts";
import { readPatch } from "../package/patch/patch-container.ts";
import { outputBytesOf } from "../package/patch/patch-index.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import type { ArtifactRepositoryPort, ArtifactStorePort } from "../ports.ts";

/** Older versions than these are nobody's to patch from. */
const mostVersions = 200;

/** What is wrong with the list in one sentence; undefined when it may be signed. Call it only for a list whose signature is verified (T12). Throws what the store and damaged patches throw. */
export async function problemOfTransfers(input: {
  readonly list: TransferList;
  /** Bytes of the full artifact as it is stored. */
  readonly fullBytes: number;
  readonly component: string;
  readonly store: ArtifactStorePort;
  readonly artifacts: Pick<ArtifactRepositoryPort, "patch">;
}): Promise<string | undefined> {
  const { list, fullBytes, artifacts } = input;
  if (list.fullBytes !== fullBytes)
    return `it gives the full artifact ${list.fullBytes} bytes, and it has ${fullBytes}`;
  const strangers = await unpublishedBases(input);
  if (strangers.length > 0) return `it has patches from ${strangers[0]}, which no version stands for`;
  for (const patch of list.patches) {
    // Digest and length are checked on the way.
    const { path, bytes } = await artifacts.patch(list.tree, patch);
    const { header, index } = await readPatch(path);
    const outputBytes = index.groups.reduce((sum, group) => sum + outputBytesOf(group), header.sizeBytes);
    const asListed = bytes === patch.bytes && outputBytes === patch.outputBytes && header.to === undefined;
    if (!asListed) return `its patch from ${patch.from} has other sizes than it says`;
  }
  return undefined;
}

async function unpublishedBases({
  list,
  component,
  store,
}: Pick<Parameters<typeof problemOfTransfers>[0], "list" | "component" | "store">): Promise<string[]> {
  const wanted = new Set(list.patches.map(({ from }) => from));
  const versions = parseVersions((await store.read(versionsPath(component), maxKeyValueBytes)) ?? "");
  for (const { version } of versions.slice(0, mostVersions)) {
    if (wanted.size === 0) break;
    const metadata = await store.read(releasePath(component, version), maxKeyValueBytes);
    if (metadata !== undefined) wanted.delete(parseReleaseMetadata(metadata).tree.digest);
  }
  return [...wanted];
}
