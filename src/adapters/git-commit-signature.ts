// Takes a raw commit object apart into what was signed and the SSH signature over it (git's own rule: the gpgsig header is cut out).

export interface SignedCommit {
  /** The exact text that was signed. */
  readonly payload: string;
  /** Armored SSHSIG. */
  readonly signature: string;
}

/** Undefined unless the commit carries exactly one SSH signature and is UTF-8 throughout; PGP, X.509 and SHA-256 twins are not accepted. */
export function splitSignedCommit(raw: Uint8Array): SignedCommit | undefined {
  const text = decode(raw);
  const end = text?.indexOf("\n\n") ?? -1;
  if (text === undefined || end === -1) return undefined;
  const kept: string[] = [];
  const signature: string[] = [];
  let [inSignature, signatures] = [false, 0];
  for (const line of text.slice(0, end).split("\n")) {
    if (line.startsWith("gpgsig-sha256")) return undefined;
    if (line.startsWith("gpgsig ")) {
      [inSignature, signatures] = [true, signatures + 1];
      signature.push(line.slice("gpgsig ".length));
    } else if (inSignature && line.startsWith(" ")) signature.push(line.slice(1));
    else {
      inSignature = false;
      kept.push(line);
    }
  }
  const armor = `${signature.join("\n").trimEnd()}\n`;
  const single = armor.split("-----BEGIN ").length === 2 && armor.endsWith("\n-----END SSH SIGNATURE-----\n");
  if (signatures !== 1 || !single || !armor.startsWith("-----BEGIN SSH SIGNATURE-----\n")) return undefined;
  return { payload: `${kept.join("\n")}${text.slice(end)}`, signature: armor };
}

function decode(raw: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return undefined; // not text: nothing that we would show or verify
  }
}
