// The transfer list of a tree: which payloads lead to it and what they cost. Signed by release keys, since sizes and caps
// end up in envelopes. Pure.
import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { encodeKeyValues, type KeyValue, MalformedTextError, parseKeyValues } from "../model/key-values.ts";
import { Digest } from "../model/names.ts";
import type { TransferList } from "../model/transfer.ts";

export const transfersNamespace = "cutover-transfers";

const format = "cutover-transfers/1";
const count = z.int().min(0).max(999_999_999_999_999); // hosts take 15 digits

const Transfers = z.strictObject({
  tree: Digest,
  fullBytes: count,
  patches: z
    .array(
      z.strictObject({
        from: Digest,
        variant: z.enum(["zstd", "zstd-bsdiff"]),
        digest: Digest,
        bytes: count,
        outputBytes: count,
        memoryMib: z.int().min(1).max(1024),
      }),
    )
    .max(200),
});

/** The exact text to sign; patches keep their order. */
export function encodeTransferList(list: TransferList): string {
  const { tree, fullBytes, patches } = Transfers.parse(list);
  return encodeKeyValues([
    ["format", format],
    ["tree", tree],
    ["full.bytes", `${fullBytes}`],
    ...patches.flatMap((patch, index): KeyValue[] => {
      const key = `patch.${index + 1}`;
      return [
        [`${key}.from`, patch.from],
        [`${key}.variant`, patch.variant],
        [`${key}.payload`, patch.digest],
        [`${key}.bytes`, `${patch.bytes}`],
        [`${key}.output-bytes`, `${patch.outputBytes}`],
        [`${key}.memory-mib`, `${patch.memoryMib}`],
      ];
    }),
  ]);
}

/** The exact inverse of `encodeTransferList`. Throws `malformed-transfers`, also on keys it does not know. */
export function parseTransferList(text: string): TransferList {
  try {
    const values = new Map(parseKeyValues(text));
    const list = Transfers.parse({
      tree: values.get("tree"),
      fullBytes: Number(values.get("full.bytes") ?? Number.NaN),
      patches: patchesOf(values),
    });
    // Whatever is missing, unknown or of another format shows as a difference to the one canonical text.
    if (encodeTransferList(list) !== text) throw new MalformedTextError(0, "unknown keys, or another format");
    return list;
  } catch (error) {
    if (!(error instanceof MalformedTextError || error instanceof z.ZodError)) throw error;
    throw new CutoverError({
      code: "malformed-transfers",
      message: "The list of transfers is malformed",
      evidence: error.message,
      impact: "Full artifacts are sent instead of patches",
      cause: error,
    });
  }
}

function patchesOf(values: ReadonlyMap<string, string>): unknown[] {
  const patches: unknown[] = [];
  for (let key = "patch.1"; values.has(`${key}.from`); key = `patch.${patches.length + 1}`) {
    const number = (name: string): number => Number(values.get(`${key}.${name}`) ?? Number.NaN);
    patches.push({
      from: values.get(`${key}.from`),
      variant: values.get(`${key}.variant`),
      digest: values.get(`${key}.payload`),
      bytes: number("bytes"),
      outputBytes: number("output-bytes"),
      memoryMib: number("memory-mib"),
    });
  }
  return patches;
}
