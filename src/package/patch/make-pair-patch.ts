// The patch of a pair that nobody published.

import { LackingError } from "../../errors.ts";
import type { Digest } from "../../model/names.ts";
import type { OnProgress, PatchToolPort, PatchVariant, PayloadFile } from "../../ports.ts";
import type { FullPayloads } from "../full-payloads.ts";

export async function makePairPatch(_input: {
  readonly from: Digest;
  readonly to: Digest;
  readonly variant: PatchVariant;
  readonly target: string;
  readonly cacheDirectory: string;
  readonly tools: PatchToolPort;
  readonly full: FullPayloads;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}): Promise<PayloadFile> {
  throw new LackingError("Patches cannot be made here yet", "send the full artifact");
}
