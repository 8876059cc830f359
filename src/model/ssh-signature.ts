// What can be read from an armored SSHSIG without trusting it: how many there are, and which key each claims (PROTOCOL.sshsig).

const begin = "-----BEGIN SSH SIGNATURE-----";
const end = "-----END SSH SIGNATURE-----";
/** As on hosts: more signatures than anybody has keys are a way to keep us busy. */
const maxBlocks = 16;

/** The armored blocks in a text, at most 16; whatever stands between them is ignored, also a block that never ends. */
export function signatureBlocks(text: string): string[] {
  const blocks: string[] = [];
  let rest = 0;
  for (let to = text.indexOf(end); to !== -1 && blocks.length < maxBlocks; to = text.indexOf(end, rest)) {
    const from = text.lastIndexOf(begin, to);
    if (from >= rest) blocks.push(`${text.slice(from, to)}${end}\n`);
    rest = to + end.length;
  }
  return blocks;
}

/** The public key that a block claims to be made with, in base64 as in a .pub file; undefined when it is not an SSHSIG. */
export function signingKeyOf(block: string): string | undefined {
  const bytes = Buffer.from(block.slice(begin.length, block.indexOf(end)), "base64");
  if (bytes.length < 14 || bytes.toString("latin1", 0, 6) !== "SSHSIG") return undefined;
  const length = bytes.readUInt32BE(10);
  return 14 + length <= bytes.length ? bytes.toString("base64", 14, 14 + length) : undefined;
}
