// How each version of a plan would reach its hosts, and what that costs on the wire: for whoever reads the plan. Decides
// nothing: the choice is made again when bytes are sent.
import { CutoverError } from "../errors.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan, PlannedChange, PlannedTransfer } from "../model/plan.ts";
import type { ChosenPath } from "../plan/choose-path.ts";
import { isCommitOnly } from "../plan/host-tasks.ts";
import type { JournalPort } from "../ports.ts";
import { type KnownPatch, makeTransferBook, type TransferBook, type TransferBookInput } from "./transfer-book.ts";

export interface WithTransfersInput extends Omit<TransferBookInput, "changes"> {
  readonly observations: ReadonlyMap<string, Observation>;
  /** What `recentRefusals` found. */
  readonly refusals?: ReadonlyMap<string, string>;
}

/** The plan with `transfers`, one for all hosts that get the same; its hash stays. A host that is only committed gets nothing. */
export async function withTransfers(
  plan: Plan,
  { observations, refusals = new Map(), ...input }: WithTransfersInput,
): Promise<Plan> {
  const book = makeTransferBook({ ...input, changes: plan.changes });
  const chosen = new Map<string, Promise<ChosenPath<KnownPatch>>>();
  const groups = new Map<string, PlannedTransfer & { readonly hosts: string[] }>();
  for (const change of plan.changes.filter((each) => !isCommitOnly(each))) {
    const path = await pathOf({ book, chosen, change, observation: observations.get(change.host) }).catch(unknownPath);
    if (path === "unreachable") break; // each further host would wait for the same answer
    if (path === undefined) continue;
    const transfer = transferOf(change, path, { book, refusal: refusals.get(`${change.host}/${change.component}`) });
    const key = JSON.stringify({ ...transfer, hosts: [] });
    const known = groups.get(key);
    if (known) known.hosts.push(change.host);
    else groups.set(key, transfer);
  }
  return { ...plan, transfers: [...groups.values()] };
}

interface PathRequest {
  readonly book: TransferBook;
  readonly chosen: Map<string, Promise<ChosenPath<KnownPatch>>>;
  readonly change: PlannedChange;
  readonly observation: Observation | undefined;
}

/** A plan does not fail for its prices: it has none where the artifact repository does not say, and no more once it has gone away. */
function unknownPath(error: unknown): "unreachable" | undefined {
  if (!(error instanceof CutoverError)) throw error;
  return error.disposition === "stall" ? undefined : "unreachable";
}

/** Undefined where nothing is known about the host. */
async function pathOf({ book, chosen, change, observation }: PathRequest): Promise<ChosenPath<KnownPatch> | undefined> {
  if (observation?.kind !== "observed") return undefined;
  const wanted = { component: change.component, version: change.to };
  const view = await book.viewOf(wanted, observation);
  const key = JSON.stringify([wanted, view]);
  const known = chosen.get(key) ?? book.pathTo(wanted, view);
  chosen.set(key, known);
  return known;
}

function transferOf(
  { host, component, from, to }: PlannedChange,
  path: ChosenPath<KnownPatch>,
  { book, refusal }: { readonly book: TransferBook; readonly refusal: string | undefined },
): PlannedTransfer & { readonly hosts: string[] } {
  const via = path.kind === "chain" ? path.hops.slice(1).map((hop) => book.nameOf(hop.from)) : [];
  const why = [path.why, ...(refusal === undefined || path.kind === "present" ? [] : [refusal])].join("; ");
  return { component, from, to, hosts: [host], path: path.kind, via, bytesPerHost: path.bytes, why };
}

/** Who refused a patch in the newest run, keyed by `host/component`: a host with a damaged version may do so again. */
export async function recentRefusals(journal: JournalPort): Promise<ReadonlyMap<string, string>> {
  const newest = (await journal.streams("run/")).at(-1);
  const events = newest === undefined ? [] : await journal.read(newest, ["patch-refused"]);
  return new Map(
    events.flatMap((event) =>
      event.kind === "patch-refused"
        ? [[`${event.host}/${event.component}`, `it refused a patch to ${event.version} before: ${event.reason}`]]
        : [],
    ),
  );
}
