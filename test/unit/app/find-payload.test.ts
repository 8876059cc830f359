// Whatever keeps a patch from being had, the version still reaches the host; only an abort, and what may be over by itself, pass.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findPayload } from "../../../src/app/find-payload.ts";
import type { HostView, KnownPatch, TransferBook } from "../../../src/app/transfer-book.ts";
import { CutoverError, LackingError } from "../../../src/errors.ts";
import type { PayloadFile } from "../../../src/model/transfer.ts";
import type { ChosenPath } from "../../../src/plan/choose-path.ts";
import type { ArtifactRepositoryPort } from "../../../src/ports.ts";

const view: HostView = { codec: "zstd", variants: ["zstd"], built: false, bases: ["t1"] };
const request = { wanted: { component: "app", version: "3.0.0" }, tree: "t3", view };
const file = (name: string): PayloadFile => ({ path: name, digest: name, bytes: 10, codec: "zstd", outputBytes: 10 });
const hop = (from: string, to: string): KnownPatch => ({ from, to, variant: "zstd", bytes: 1, memoryMib: 16, made: file(`${from}-${to}`) }); // biome-ignore format: one line
const toMake: ChosenPath<KnownPatch> = { kind: "direct", base: "t1", hop: undefined, bytes: undefined, why: "made" };
const chain: ChosenPath<KnownPatch> = { kind: "chain", base: "t1", hops: [hop("t1", "t2"), hop("t2", "t3")], bytes: 2, why: "chain" }; // biome-ignore format: one line

/** The path is chosen until something was crossed out, then the full artifact. */
function world(path: ChosenPath<KnownPatch>, error: unknown) {
  const crossed: string[] = [];
  const stop = new AbortController();
  const fail = (): Promise<PayloadFile> => {
    if (error === "abort") stop.abort(new Error("enough"));
    return Promise.reject(error === "abort" ? new Error("killed") : error);
  };
  const artifacts = {
    payload: async () => file("full"),
    makePatch: fail,
    chain: fail,
  } as Partial<ArtifactRepositoryPort>;
  const book: Partial<TransferBook> = {
    pathTo: async () => (crossed.length === 0 ? path : { kind: "full", bytes: 10, why: "full" }),
    crossOut: ({ from, to }, why) => void crossed.push(`${from} ${to}: ${why}`),
    nameOf: (tree) => tree,
  };
  const sources = { artifacts, book, making: new Map(), onMaking: () => undefined, signal: stop.signal };
  return { crossed, find: () => findPayload(sources as never, request) };
}

const noRoom = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });

test("a patch that cannot be made for any reason is crossed out with that reason, and the full artifact is sent", async () => {
  const reasons: [unknown, RegExp][] = [
    [noRoom, /^t1 t3: the patch from t1 cannot be had: ENOSPC: no space left on device/],
    [new LackingError("no zstd here", "apt-get install zstd"), /no zstd here$/],
    [new TypeError("a bug of ours"), /a bug of ours$/],
    ["a word", /a word$/],
  ];
  for (const [error, said] of reasons) {
    const { crossed, find } = world(toMake, error);
    assert.equal((await find()).payload.path, "full");
    assert.match(crossed[0] ?? "", said);
  }
});

test("a chain that cannot be put together is no reason to send nothing either", async () => {
  const { crossed, find } = world(chain, noRoom);
  assert.equal((await find()).payload.path, "full");
  assert.match(crossed[0] ?? "", /^t2 t3: the patch from t2 cannot be had: ENOSPC/);
});

test("an abort ends the search, and what may be over by itself is left to whoever tries again", async () => {
  for (const path of [toMake, chain]) {
    const aborted = world(path, "abort");
    await assert.rejects(aborted.find(), /enough/);
    const down = world(
      path,
      new CutoverError({ code: "artifacts-unreachable", message: "down", disposition: "retry" }),
    );
    await assert.rejects(down.find(), { code: "artifacts-unreachable" });
    assert.deepEqual([...aborted.crossed, ...down.crossed], []);
  }
});
