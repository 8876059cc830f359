// Direct, chain or full: which one a host gets, and the words for why.
import assert from "node:assert/strict";
import { test } from "node:test";
import { choosePath, type PatchHop, type PathInput } from "../../../src/plan/choose-path.ts";

const hop = (from: string, to: string, bytes: number, more: Partial<PatchHop> = {}): PatchHop => ({
  ...{ from, to, bytes, variant: "zstd", memoryMib: 64 },
  ...more,
});
const choose = (input: Partial<PathInput>) =>
  choosePath({
    target: "t4",
    built: false,
    bases: ["t1"],
    variants: ["zstd"],
    hops: [],
    full: { bytes: 31_000_000, size: 90_000_000 },
    canMake: () => false,
    sharedBy: () => 1,
    nameOf: (tree) => tree.replace("t", "1."),
    ...input,
  });

test("the fewest bytes win, and the words compare all that came into question", () => {
  const hops = [hop("t1", "t4", 1_200_000), hop("t1", "t2", 900_000), hop("t2", "t4", 1_100_000)];
  const direct = choose({ hops });
  assert.equal(direct.kind, "direct");
  assert.equal(direct.bytes, 1_200_000);
  assert.equal(direct.why, "direct patch 1.2 MB; chain via 1.2 2.0 MB; full 31 MB");
  const chain = choose({ hops: [hop("t1", "t4", 9_000_000), ...hops.slice(1)] });
  assert.deepEqual([chain.kind, chain.bytes], ["chain", 2_000_000]);
  assert.equal(chain.why, "chain via 1.2 2.0 MB; direct patch 9.0 MB; full 31 MB");
  const full = choose({ hops: hops.map((each) => ({ ...each, bytes: each.bytes * 40 })) });
  assert.deepEqual([full.kind, full.bytes], ["full", 31_000_000]);
});

test("equal bytes prefer the direct patch, then the full artifact", () => {
  const chain = [hop("t1", "t2", 500), hop("t2", "t4", 500)];
  const full = { bytes: 1_000, size: 9_000_000 };
  assert.equal(choose({ full, hops: [...chain, hop("t1", "t4", 1_000)] }).kind, "direct");
  assert.equal(choose({ full, hops: chain }).kind, "full");
});

test("a chain has at most three hops, starts at any version of the host, and never runs in circles", () => {
  const steps = [hop("t1", "t2", 10), hop("t2", "t1", 1), hop("t2", "t3", 10), hop("t3", "t4", 10), hop("t0", "t1", 1)];
  const chain = choose({ hops: steps });
  assert.ok(chain.kind === "chain");
  assert.deepEqual([chain.base, chain.hops.map(({ to }) => to), chain.bytes], ["t1", ["t2", "t3", "t4"], 30]);
  assert.equal(choose({ hops: steps, bases: ["t0"] }).kind, "full", "four hops");
  const nearer = choose({ hops: steps, bases: ["t1", "t2"] });
  assert.ok(nearer.kind === "chain");
  assert.equal(nearer.base, "t2");
  assert.equal(nearer.why, "chain via 1.3 20 B; full 31 MB");
});

test("a host gets only what it can decode, within the memory that hosts allow (T13)", () => {
  const hops = [hop("t1", "t4", 700, { variant: "zstd-bsdiff" }), hop("t1", "t4", 900)];
  assert.equal(choose({ hops }).bytes, 900);
  assert.equal(choose({ hops, variants: ["zstd", "zstd-bsdiff"] }).bytes, 700);
  const none = choose({ hops, variants: [] });
  assert.deepEqual([none.kind, none.why], ["full", "full 31 MB; the host has no zstd that applies patches"]);
  assert.equal(choose({ hops: [hop("t1", "t4", 900, { memoryMib: 1025 })] }).kind, "full");
});

test("a missing direct patch is made, unless the artifact is too small to be worth it", () => {
  const toMake = choose({ canMake: () => true });
  assert.deepEqual([toMake.kind, toMake.bytes], ["direct", undefined]);
  assert.equal(toMake.why, "direct patch from 1.1, made before it is sent; full 31 MB");
  const published = choose({ hops: [hop("t1", "t4", 5_000)], canMake: () => true });
  assert.equal(published.bytes, 5_000, "what is published is not made again");
  const small = choose({ canMake: () => true, full: { bytes: 65_536, size: 900_000 } });
  assert.deepEqual([small.kind, small.why], ["full", "full 66 kB; too small to be worth a patch"]);
  assert.equal(choose({ canMake: () => true, full: { bytes: undefined, size: 65_537 } }).kind, "direct");
  assert.equal(choose({ canMake: () => true, variants: [] }).kind, "full");
});

test("where a published chain is under a fifth of the full artifact, a patch is made only for the hosts that it pays for", () => {
  const via = (bytes: number) => [hop("t1", "t2", bytes / 2), hop("t2", "t4", bytes / 2)];
  const ask = (bytes: number, hosts: number) =>
    choose({ hops: via(bytes), canMake: () => true, sharedBy: () => hosts, full: { bytes: 30_000_000, size: 1 } });
  const alone = ask(5_999_998, 1);
  assert.equal(alone.kind, "chain");
  assert.equal(
    alone.why,
    "chain via 1.2 6.0 MB; full 30 MB; no direct patch is made for 1 host, as the chain is small",
  );
  assert.equal(ask(5_000_000, 6).why, "chain via 1.2 5.0 MB; full 30 MB; no direct patch is made for 6 hosts, as the chain is small"); // biome-ignore format: one line
  const many = ask(5_000_000, 7);
  assert.deepEqual([many.kind, many.bytes], ["direct", undefined]);
  assert.equal(many.why, "direct patch from 1.1, made before it is sent; chain via 1.2 5.0 MB; full 30 MB");
  assert.equal(ask(6_000_000, 1).kind, "direct", "a fifth is no small chain");
});

test("nothing is sent for a version that is built, and a first install is whole", () => {
  assert.deepEqual(choose({ built: true, hops: [hop("t1", "t4", 1)] }), {
    kind: "present",
    bytes: 0,
    why: "built there already",
  });
  const first = choose({ bases: [], canMake: () => true });
  assert.equal(first.why, "full 31 MB; there is no version on the host that a patch could start from");
  const unsigned = choose({ remarks: ["the list of patches is not signed by the Trust's release keys: ignored"] });
  assert.match(unsigned.why, /no patch leads there from what the host has; the list of patches is not signed/);
});
