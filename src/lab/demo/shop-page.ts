// What a whole, unmixed answer of `shop` looks like. A cut or interleaved body does not parse.
import { createHash } from "node:crypto";

export interface ShopPage {
  readonly version: string;
  readonly node: string;
  /** Of the primary: the pid that the journal shows. */
  readonly pid: number;
  readonly worker: number;
}

const line = /^(shop (\S+) node (\S+) pid (\d+) worker (\d+)) sum ([0-9a-f]{8})\n$/;

/** undefined when the body is anything but one page of shop, complete and with the right sum. */
export function parseShopPage(body: string): ShopPage | undefined {
  const match = line.exec(body);
  if (match === null) return undefined;
  const [, identity = "", version = "", node = "", pid, worker, sum] = match;
  if (createHash("sha256").update(identity).digest("hex").slice(0, 8) !== sum) return undefined;
  return { version, node, pid: Number(pid), worker: Number(worker) };
}
