// The signed list of what leads to a tree: read back as far as our own keys vouch for it, and written anew.
import { maxKeyValueBytes } from "../model/key-values.ts";
import type { Digest } from "../model/names.ts";
import { signatureBlocks, signingKeyOf } from "../model/ssh-signature.ts";
import type { TransferList } from "../model/transfer.ts";
import { transferSignaturesPath, transfersPath } from "../package/layout.ts";
import { encodeTransferList, parseTransferList, transfersNamespace } from "../package/transfer-list.ts";
import type { ArtifactStorePort, SignerPort } from "../ports.ts";

const mostSignatures = 16;
/** Signed to learn which key signs, and for nothing else: no store and no host ever asks for it. */
const ownName = { namespace: "cutover-key-name", data: "cutover: which key is this\n" };

interface Keys {
  readonly store: ArtifactStorePort;
  readonly signer: SignerPort;
  readonly releaseKeys: readonly string[];
  /** Public keys of people who sign the same versions. */
  readonly cosigners?: readonly string[];
}

export interface PresentTransfers {
  readonly list: TransferList;
  /** `own`: every key at hand signed it. `cosigner`: a co-signer did; it is to be checked before anybody else signs it. */
  readonly signedBy: "own" | "cosigner";
}

/** The list of a tree as far as known keys vouch for it; undefined otherwise: what a stranger wrote is neither read nor built upon. */
export async function readTransfers(keys: Keys, tree: Digest): Promise<PresentTransfers | undefined> {
  const text = await keys.store.read(transfersPath(tree), maxKeyValueBytes);
  if (text === undefined) return undefined;
  const signatures = (await keys.store.read(transferSignaturesPath(tree), maxKeyValueBytes)) ?? "";
  const own = new Set((await signAll(keys, ownName)).map(publicKeyOf));
  const cosigners = keys.cosigners ?? [];
  const { keys: signed } = await keys.signer.verify({
    ...{ allowedKeys: [...own, ...cosigners], namespace: transfersNamespace, data: text, signatures },
  });
  const byAll = [...own].every((key) => signed.includes(key));
  if (!byAll && !cosigners.some((key) => signed.includes(key))) return undefined;
  const list = parseTransferList(text);
  // A store may answer with what was signed for another tree.
  return list.tree === tree ? { list, signedBy: byAll ? "own" : "cosigner" } : undefined;
}

/**
 * Signatures that others made over the same text stay; gives how many others a new text loses. A reader between two writes
 * finds a list that it cannot verify, and uses none.
 */
export async function writeTransfers(keys: Keys, list: TransferList): Promise<number> {
  const { store } = keys;
  const [textPath, signaturesPath] = [transfersPath(list.tree), transferSignaturesPath(list.tree)];
  const text = encodeTransferList(list);
  const before = await store.read(textPath, maxKeyValueBytes);
  const present = signatureBlocks((await store.read(signaturesPath, maxKeyValueBytes)) ?? "");
  const signatures = await signAll(keys, { namespace: transfersNamespace, data: text });
  const own = new Set(signatures.map(signingKeyOf));
  const standing = before === text ? present : [];
  // A block that only claims to be ours must not keep ours away.
  const { keys: valid } = await keys.signer.verify({
    ...{ allowedKeys: signatures.map(publicKeyOf), namespace: transfersNamespace, data: text },
    signatures: standing.join(""),
  });
  const missing = signatures.filter((block) => !valid.includes(publicKeyOf(block)));
  if (missing.length === 0) return 0;
  const replaced = new Set(missing.map(signingKeyOf));
  const others = standing.filter((block) => !replaced.has(signingKeyOf(block)));
  if (before !== text) await store.write(textPath, text);
  // Ours first: nobody reads more than so many, and a list may be handed on with those of keys that are long gone.
  await store.write(signaturesPath, [...missing, ...others].slice(0, mostSignatures).join(""));
  return before === text ? 0 : new Set(present.map(signingKeyOf).filter((key) => !own.has(key))).size;
}

async function signAll(
  { signer, releaseKeys }: Keys,
  what: { readonly namespace: string; readonly data: string },
): Promise<string[]> {
  const signatures: string[] = [];
  for (const keyPath of releaseKeys) signatures.push(await signer.sign({ keyPath, ...what }));
  return signatures;
}

/** The public key that a signature of our own names, as in a .pub file. */
function publicKeyOf(block: string): string {
  const body = signingKeyOf(block) ?? "";
  const bytes = Buffer.from(body, "base64");
  return `${bytes.toString("latin1", 4, 4 + bytes.readUInt32BE(0))} ${body}`;
}
