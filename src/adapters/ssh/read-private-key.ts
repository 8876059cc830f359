// The controller's login key, read once: a key that is missing or broken is said before any host is asked.
import "./native-ciphers.ts";
import { readFileSync } from "node:fs";
import ssh2 from "ssh2";
import { LackingError } from "../../errors.ts";

/** Throws LackingError. */
export function readPrivateKey(path: string): Buffer {
  const remedy = "cutover keys new controller, then let hosts know it: cutover host enrol";
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new LackingError(`Cannot read the private key ${path} (${(error as NodeJS.ErrnoException).code})`, remedy);
  }
  const parsed = ssh2.utils.parseKey(bytes);
  if (parsed instanceof Error || !parsed.isPrivateKey())
    throw new LackingError(`${path} holds no private key that can be used without a passphrase`, remedy);
  return bytes;
}
