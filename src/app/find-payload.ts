// From the choice of a path to the bytes: a published patch is fetched, a missing one is made, a chain is put together. What
// cannot be had is crossed out and the choice made again, down to the full artifact.
import { CutoverError } from "../errors.ts";
import type { PayloadFile } from "../model/transfer.ts";
import { once } from "../package/once.ts";
import type { ChosenPath } from "../plan/choose-path.ts";
import type { ArtifactRepositoryPort } from "../ports.ts";
import type { WantedVersion } from "./load-published.ts";
import type { HostView, KnownPatch, TransferBook } from "./transfer-book.ts";

export interface PayloadSources {
  readonly artifacts: ArtifactRepositoryPort;
  readonly book: TransferBook;
  /** Patches under way, by pair of trees: hosts that need the same one wait for it together. */
  readonly making: Map<string, Promise<void>>;
  readonly onMaking: (progress: MakingProgress) => void;
  readonly signal: AbortSignal;
}

/** A patch under way, in bytes of what it reads; `done` may pass a total that was estimated. */
export interface MakingProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly ended: boolean;
}

export interface FoundPayload {
  readonly payload: PayloadFile;
  /** What was compared, for the record. */
  readonly why: string;
}

interface Request {
  readonly wanted: WantedVersion;
  readonly tree: string;
  readonly view: HostView;
}

type Pair = Pick<KnownPatch, "from" | "to">;

/** Every round has the payload or crosses one patch out. */
const mostRounds = 12;

export async function findPayload(sources: PayloadSources, request: Request): Promise<FoundPayload> {
  for (let round = 1; round <= mostRounds; round += 1) {
    const path = await sources.book.pathTo(request.wanted, request.view);
    const payload = await payloadOf(sources, request, path);
    if (payload !== undefined) return { payload, why: path.why };
  }
  return { payload: await fullPayload(sources, request), why: "no patch could be had" };
}

/** Nothing that is shared in memory counts any more: whoever asks next has what is kept on disk checked, and made anew where it is damaged. */
export function forgetShared(book: TransferBook, ...shared: readonly Map<string, unknown>[]): void {
  book.forgetMade();
  for (const each of shared) each.clear();
}

/** Undefined when the path has changed what is known, so that the choice is to be made again. */
async function payloadOf(
  sources: PayloadSources,
  request: Request,
  path: ChosenPath<KnownPatch>,
): Promise<PayloadFile | undefined> {
  if (path.kind === "full" || path.kind === "present") return fullPayload(sources, request);
  if (path.kind === "direct" && path.hop === undefined) {
    const pair = { from: path.base, to: request.tree };
    const key = `${pair.from} ${pair.to}`;
    await once(sources.making, { key, keep: "while-running" }, () => makeMissing(sources, request, pair));
    return undefined;
  }
  const hops = path.kind === "chain" ? path.hops : path.hop === undefined ? [] : [path.hop];
  const stages: { patch: PayloadFile; to: string }[] = [];
  for (const hop of hops) {
    const patch = await fetchPatch(sources, hop);
    if (patch === undefined) return undefined;
    stages.push({ patch, to: hop.to });
  }
  const last = hops.at(-1);
  if (last === undefined) return undefined; // no path is without hops
  const [only] = stages;
  const payload =
    stages.length === 1 ? only?.patch : await orCrossedOut(sources, last, () => sources.artifacts.chain(stages));
  return payload && { ...payload, base: path.base };
}

function fullPayload({ artifacts }: PayloadSources, { tree, view }: Request): Promise<PayloadFile> {
  return artifacts.payload(tree, view.codec);
}

async function fetchPatch(sources: PayloadSources, hop: KnownPatch): Promise<PayloadFile | undefined> {
  if ("made" in hop) return hop.made;
  return orCrossedOut(sources, hop, () => sources.artifacts.patch(hop.to, hop.published));
}

/** The full artifact's size is known from then on, too: it is compared with what was made. */
async function makeMissing(sources: PayloadSources, { wanted, view }: Request, pair: Pair): Promise<void> {
  const { artifacts, book, onMaking, signal } = sources;
  const what = `patch ${wanted.component} ${book.nameOf(pair.from)} → ${wanted.version}`;
  await orCrossedOut(sources, pair, async () => {
    // Any host that applies patches at all can use this variant, so that it is made once for all of them.
    const made = await artifacts
      .makePatch({
        ...pair,
        variant: "zstd",
        onProgress: ({ done, total }) => onMaking({ what, done, total, ended: false }),
        signal,
      })
      .finally(() => onMaking({ what, done: 0, total: 0, ended: true }));
    const { bytes } = await artifacts.payload(pair.to, view.codec);
    book.addFull(pair.to, { codec: view.codec, bytes });
    book.addMade({ ...pair, variant: "zstd", bytes: made.bytes, memoryMib: made.memoryMib ?? 0, made });
  });
}

/** What may be over by itself is tried again by whoever waits for it; anything else but an abort, our own bugs too, is no reason to send nothing. */
async function orCrossedOut<T>(
  { book, signal }: PayloadSources,
  pair: Pair,
  get: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CutoverError && error.disposition !== "stall") throw error;
    book.crossOut(pair, `the patch from ${book.nameOf(pair.from)} cannot be had: ${reasonOf(error)}`);
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof CutoverError)) return error instanceof Error ? error.message : String(error);
  return [error.message, error.evidence?.split("\n", 1)[0]].filter((text) => text !== undefined).join(": ");
}
