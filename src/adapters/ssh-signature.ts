// What can be read from an armored SSHSIG without trusting it: how many there are, and which key each claims (PROTOCOL.sshsig).

const begin = "-----BEGIN SSH SIGNATURE-----";
const end = "-----END SSH SIGNATURE-----";
/** More signatures than anybody has keys are a way to keep us busy. */
const maxBlocks = 32;

/** The armored blocks in a text, at most 32; whatever stands between them is ignored. */
export function signatureBlocks(text: string): string[] {
  const blocks: string[] = [];
  let from = text.indexOf(begin);
  while (from !== -1 && blocks.length < maxBlocks) {
    const to = text.indexOf(end, from);
    if (to === -1) break;
    blocks.push(`${text.slice(from, to)}${end}\n`);
    from = text.indexOf(begin, to);
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
