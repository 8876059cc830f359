// The signed list of what leads to a tree: read back as far as our own keys vouch for it, and written anew.
import { maxKeyValueBytes } from "../model/key-values.ts";
import type { Digest } from "../model/names.ts";
import { signatureBlocks, signingKeyOf } from "../model/ssh-signature.ts";
import type { TransferList } from "../model/transfer.ts";
import { transferSignaturesPath, transfersPath } from "../package/layout.ts";
import { encodeTransferList, parseTransferList, transfersNamespace } from "../package/transfer-list.ts";
import type { ArtifactStorePort, SignerPort } from "../ports.ts";

const mostSignatures = 16;

interface Keys {
  readonly store: ArtifactStorePort;
  readonly signer: SignerPort;
  readonly releaseKeys: readonly string[];
}

/** The list of a tree when every key at hand has signed it; undefined otherwise: what a stranger wrote is not built upon. */
export async function readOwnTransfers(keys: Keys, tree: Digest): Promise<TransferList | undefined> {
  const text = await keys.store.read(transfersPath(tree), maxKeyValueBytes);
  if (text === undefined) return undefined;
  const present = (await keys.store.read(transferSignaturesPath(tree), maxKeyValueBytes)) ?? "";
  const allowedKeys = (await signAll(keys, text)).map(publicKeyOf);
  const { keys: signed } = await keys.signer.verify({
    ...{ allowedKeys, namespace: transfersNamespace, data: text, signatures: present },
  });
  return signed.length === new Set(allowedKeys).size ? parseTransferList(text) : undefined;
}

/** Signatures that others made over the same text stay. A reader between two writes finds a list that it cannot verify, and uses none. */
export async function writeTransfers(keys: Keys, list: TransferList): Promise<void> {
  const { store } = keys;
  const [textPath, signaturesPath] = [transfersPath(list.tree), transferSignaturesPath(list.tree)];
  const text = encodeTransferList(list);
  const before = await store.read(textPath, maxKeyValueBytes);
  const present = before === text ? ((await store.read(signaturesPath, maxKeyValueBytes)) ?? "") : "";
  const others = signatureBlocks(present);
  const known = new Set(others.map(signingKeyOf));
  const missing = (await signAll(keys, text)).filter((block) => !known.has(signingKeyOf(block)));
  if (missing.length === 0) return;
  if (before !== text) await store.write(textPath, text);
  // Ours first: nobody reads more than so many, and a list may be handed on with those of keys that are long gone.
  await store.write(signaturesPath, [...missing, ...others].slice(0, mostSignatures).join(""));
}

async function signAll({ signer, releaseKeys }: Keys, data: string): Promise<string[]> {
  const signatures: string[] = [];
  for (const keyPath of releaseKeys)
    signatures.push(await signer.sign({ keyPath, namespace: transfersNamespace, data }));
  return signatures;
}

/** The public key that a signature of our own names, as in a .pub file. */
function publicKeyOf(block: string): string {
  const body = signingKeyOf(block) ?? "";
  const bytes = Buffer.from(body, "base64");
  return `${bytes.toString("latin1", 4, 4 + bytes.readUInt32BE(0))} ${body}`;
}
