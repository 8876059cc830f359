// A version that cannot stay: the same tree and contract as a published one, and one health check more that can only fail. What
// `cutover grade` measures the way back with. Signed with keys of a lab, it means nothing to hosts that were enrolled elsewhere.
import type { PublishedRelease } from "../model/transfer.ts";
import { encodeReleaseMetadata, parseReleaseMetadata, releaseNamespace } from "../package/release-metadata.ts";
import type { SignerPort } from "../ports.ts";

/** Nothing listens on port 1 (tcpmux), and the check of a closed port fails at once. */
const onlyFails = { kind: "tcp", address: "self", port: 1, withinSeconds: 1 } as const;
const longestVersion = 64;

/** `keys` are private key files, one signature each. */
export async function makeUnwellVersion(
  well: PublishedRelease,
  { keys, signer }: { readonly keys: readonly string[]; readonly signer: Pick<SignerPort, "sign"> },
): Promise<PublishedRelease> {
  const metadata = parseReleaseMetadata(well.metadata);
  const { contract, sequence } = metadata;
  const version = unwellName(well.version);
  const data = encodeReleaseMetadata({
    ...metadata,
    ...{ version, sequence: sequence + 1 },
    contract: { ...contract, health: [...contract.health, onlyFails] },
  });
  const signatures: string[] = [];
  for (const keyPath of keys) signatures.push(await signer.sign({ keyPath, namespace: releaseNamespace, data }));
  return { ...well, version, metadata: data, signatures: signatures.join("") };
}

/** Differs from every name that it is made from. */
function unwellName(version: string): string {
  const mark = "-unwell";
  return version.length + mark.length <= longestVersion
    ? `${version}${mark}`
    : `unwell-${version.slice(0, longestVersion - mark.length)}`;
}
