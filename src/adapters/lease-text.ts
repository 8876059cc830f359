// What refs/cutover/lease points at: a parentless commit with an empty tree, whose message is the lease.

export interface LeaseText {
  /** Undefined when the lease was given up; the epoch stays, so that it never goes back. */
  readonly holder: string | undefined;
  readonly epoch: number;
  /** Milliseconds since the epoch, by the holder's clock. */
  readonly at: number;
  readonly ttlMs: number;
  /** Makes two takers of the same moment different. */
  readonly nonce: string;
  /** Which of several controllers with the holder's name it is; leases of versions without it say nothing. */
  readonly instance?: string | undefined;
}

/** The commit object as git stores it. */
export function encodeLease(lease: LeaseText, tree: string): string {
  const seconds = Math.floor(lease.at / 1000);
  const who = `cutover <cutover@localhost> ${seconds} +0000`;
  const lines = [
    `holder ${lease.holder ?? "-"}`,
    `epoch ${lease.epoch}`,
    `at ${lease.at}`,
    `ttl-ms ${lease.ttlMs}`,
    `nonce ${lease.nonce}`,
    ...(lease.instance === undefined ? [] : [`instance ${lease.instance}`]),
  ];
  return `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\ncutover lease\n\n${lines.join("\n")}\n`;
}

/** Undefined for anything that this program did not write. */
export function decodeLease(commit: string): LeaseText | undefined {
  const found =
    /\n\ncutover lease\n\nholder (\S{1,128})\nepoch (\d{1,15})\nat (\d{1,15})\nttl-ms (\d{1,12})\nnonce ([0-9a-f-]{36})\n(?:instance ([0-9a-f-]{36})\n)?$/.exec(
      commit,
    );
  if (found === null) return undefined;
  const [, holder = "-", epoch, at, ttlMs, nonce = "", instance] = found;
  return {
    holder: holder === "-" ? undefined : holder,
    epoch: Number(epoch),
    at: Number(at),
    ttlMs: Number(ttlMs),
    nonce,
    instance,
  };
}
