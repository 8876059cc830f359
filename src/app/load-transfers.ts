// The signed list of patches that lead to a tree: verified first, then read. It only saves bytes, so one that is missing or
// not trusted is passed over, and said so; what the list leads to is checked on the host against the release in any case.
import { CutoverError } from "../errors.ts";
import type { TransferList } from "../model/transfer.ts";
import type { Trust } from "../model/trust.ts";
import { parseTransferList, transfersNamespace } from "../package/transfer-list.ts";
import type { Controller } from "./controller.ts";

export interface LoadedTransfers {
  readonly list: TransferList | undefined;
  /** Why a list that is there is not used. */
  readonly remark?: string;
}

export async function loadTransfers(
  controller: Pick<Controller, "artifacts" | "signer">,
  { tree, trust }: { readonly tree: string; readonly trust: Pick<Trust, "releaseKeys" | "threshold"> },
): Promise<LoadedTransfers> {
  try {
    const found = await controller.artifacts.transfers(tree);
    if (found === undefined) return { list: undefined };
    const { text, signatures } = found;
    const { keys } = await controller.signer.verify({
      allowedKeys: trust.releaseKeys,
      namespace: transfersNamespace,
      data: text,
      signatures,
    });
    if (keys.length < trust.threshold) return unused(`${keys.length} of ${trust.threshold} release keys signed it`);
    const list = parseTransferList(text);
    return list.tree === tree ? { list } : unused("it is the list of another tree");
  } catch (error) {
    // What may be over by itself says nothing about the list.
    if (!(error instanceof CutoverError) || error.disposition !== "stall") throw error;
    return unused(error.message);
  }
}

function unused(why: string): LoadedTransfers {
  return { list: undefined, remark: `the list of published patches is not used: ${why}` };
}
