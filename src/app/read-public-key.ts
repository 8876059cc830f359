// A public key file as `ssh-keygen` writes it, for keys that are named on the command line.
import { readFile, stat } from "node:fs/promises";
import { UsageError } from "../errors.ts";
import { PublicKey } from "../model/trust.ts";

const maxBytes = 16 * 1024;

/** The key without its comment. Throws UsageError when the file is not one public key. */
export async function readPublicKey(path: string): Promise<PublicKey> {
  const entry = await stat(path).catch(() => undefined);
  const text = entry?.isFile() && entry.size <= maxBytes ? await readFile(path, "utf8") : "";
  const key = PublicKey.safeParse(text.trim().split(/\s+/).slice(0, 2).join(" "));
  if (key.success && text.trim().split("\n").length === 1) return key.data;
  throw new UsageError(`${path} is not a public key file`, "name the .pub file of the other signer's key");
}
