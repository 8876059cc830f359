// What could be sent is looked up once, from signed texts only, within bounds; and what failed for a moment is not remembered.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoadedVersion, WantedVersion } from "../../../src/app/load-published.ts";
import { makeTransferBook } from "../../../src/app/transfer-book.ts";
import { withTransfers } from "../../../src/app/with-transfers.ts";
import { CutoverError } from "../../../src/errors.ts";
import { Component } from "../../../src/model/component.ts";
import type { Observation } from "../../../src/model/observation.ts";
import { encodeReleaseMetadata } from "../../../src/package/release-metadata.ts";
import { encodeTransferList } from "../../../src/package/transfer-list.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput, treeOf } from "../../support/plan-input.ts";

const tree = (version: string) => treeOf("app", version);
const down = new CutoverError({ code: "artifacts-unreachable", message: "down", disposition: "retry" });
const host = planInput({ components: { app: { hosts: ["h1"] } } }).observations.get("h1");
const contract = Component.parse({ apiVersion: "cutover/v1", kind: "Component", name: "app", root: "/srv/app" });
const metadata = encodeReleaseMetadata({
  ...{ component: "app", version: "2.0.0", sequence: 1, expires: 9_999_999_999, floor: 0, contract },
  ...{ tree: { digest: tree("2.0.0"), bytes: 5_000_000, files: 3 }, bundle: undefined },
});
const wanted = { component: "app", version: "2.0.0" };

interface Seen {
  readonly built: readonly string[];
  readonly currentTree?: string;
}

function observed({ built, currentTree = tree("1.0.0") }: Seen): Observation {
  assert.ok(host?.kind === "observed");
  const components = host.components.map((each) => ({ ...each, built, currentTree: currentTree as never }));
  return { ...host, facts: { ...host.facts, tools: ["zstd", "zstd-patch"] }, components };
}

interface World {
  readonly fails?: (asked: string) => CutoverError | undefined;
  /** Trees that the list of a tree has patches from. */
  readonly from?: (tree: string) => readonly string[];
  readonly keys?: () => number;
}

function world({ fails = () => undefined, from = () => [], keys = () => 1 }: World = {}) {
  const asked: string[] = [];
  const running = { now: 0, most: 0 };
  const ask = async (what: string): Promise<void> => {
    asked.push(what);
    running.now += 1;
    running.most = Math.max(running.most, running.now);
    await new Promise(setImmediate);
    running.now -= 1;
    const error = fails(what);
    if (error) throw error;
  };
  const patch = (of: string, index: number) => ({
    ...({
      from: of,
      variant: "zstd",
      digest: tree("patch"),
      bytes: 100 + index,
      outputBytes: 1,
      memoryMib: 16,
    } as const),
  });
  const artifacts = {
    versions: async () => ["2.0.0"],
    async transfers(of: string) {
      await ask(`list ${of}`);
      const text = encodeTransferList({ tree: of, fullBytes: 1_000_000, patches: from(of).map(patch) });
      return { text, signatures: "" };
    },
  };
  const input = {
    controller: {
      artifacts: artifacts as never,
      signer: { verify: async () => ({ keys: Array.from({ length: keys() }, String) }) } as never,
    },
    trust: { releaseKeys: ["key"], threshold: 1 },
    async versionOf({ component, version }: WantedVersion): Promise<LoadedVersion> {
      await ask(`version ${version}`);
      return {
        release: { component, version, metadata, signatures: "", manifest: "" },
        published: { component, version, tree: tree(version) } as LoadedVersion["published"],
      };
    },
  };
  return { asked, running, input, book: makeTransferBook({ ...input, changes: [] }) };
}

const refused = (code: string) => new CutoverError({ code, message: `${code}!` });

test("of a long list of built versions the host's own come first, twenty are looked up and eight at a time (T6)", async () => {
  const { asked, running, book } = world();
  const built = Array.from({ length: 200 }, (_, index) => `9.${index}.0`);
  const view = await book.viewOf(wanted, observed({ built: [...built, "1.0.0", "2.0.0"] }));
  assert.equal(asked.length, 20);
  assert.equal(asked[0], "version 1.0.0");
  assert.ok(running.most <= 8, `${running.most} at once`);
  assert.equal(view.built, true);
  assert.equal(view.bases[0], tree("1.0.0"));
  assert.equal(view.bases.length, 20);
});

test("only a signed version gives a tree its name: what a host calls it counts nothing (T6)", async () => {
  const { book } = world({ fails: (what) => (what === "version 1.0.0" ? refused("not-published") : undefined) });
  await book.viewOf(wanted, observed({ built: ["1.0.0", "3.0.0"], currentTree: tree("5.0.0") }));
  assert.match(book.nameOf(tree("5.0.0")), /^tree [0-9a-f]{12}$/);
  assert.equal(book.nameOf(tree("3.0.0")), "3.0.0");
});

test("a repository that does not answer for a moment is asked again; what is not published is not", async () => {
  let error: CutoverError | undefined = down;
  const { asked, book } = world({ fails: () => error });
  const view = () => book.viewOf(wanted, observed({ built: ["1.0.0"] }));
  await assert.rejects(view(), { code: "artifacts-unreachable" });
  error = undefined;
  assert.deepEqual((await view()).bases, [tree("1.0.0")]);
  assert.equal(asked.length, 2);
  const gone = world({ fails: () => refused("not-published") });
  for (let host = 0; host < 5; host += 1) await gone.book.viewOf(wanted, observed({ built: ["1.0.0"] }));
  assert.equal(gone.asked.length, 1);
});

test("signatures that do not match are looked at again, since a publisher may be at work, but not for every host", async () => {
  const { asked, book } = world({ fails: (what) => (what.startsWith("version 1") ? refused("release-not-trusted") : undefined) }); // biome-ignore format: one line
  for (let host = 0; host < 10; host += 1) await book.viewOf(wanted, observed({ built: ["1.0.0"] }));
  assert.equal(asked.length, 3);
});

test("the longest chain is looked for through twenty trees at a time, the cheapest patches first", async () => {
  const names = new Map<string, readonly string[]>();
  const children = (of: string) => {
    const known = names.get(of) ?? Array.from({ length: 150 }, (_, index) => treeOf(of, String(index)));
    names.set(of, known);
    return known;
  };
  const { asked, running, input } = world({ from: children });
  const book = makeTransferBook({ ...input, changes: [] });
  await book.pathTo(wanted, { codec: "zstd", variants: ["zstd"], built: false, bases: [tree("1.0.0")] });
  const lists = asked.filter((each) => each.startsWith("list"));
  assert.equal(lists.length, 41);
  assert.equal(lists[1], `list ${children(tree("2.0.0"))[0]}`);
  assert.ok(running.most <= 8, `${running.most} at once`);
});

test("a list that cannot be had for a moment is no list that is not used, and a plan has no prices then", async () => {
  let trouble: CutoverError | undefined = down;
  const { asked, input } = world({ fails: (what) => (what.startsWith("list") ? trouble : undefined), from: () => [tree("1.0.0")] }); // biome-ignore format: one line
  const plan = makePlan(planInput({ components: { app: { hosts: ["h1", "h2", "h3"] } } }));
  const observations = new Map(["h1", "h2", "h3"].map((name) => [name, observed({ built: ["1.0.0"] })]));
  const planned = () => withTransfers(plan, { ...input, observations });
  assert.deepEqual((await planned()).transfers, []);
  assert.equal(asked.filter((each) => each.startsWith("list")).length, 1, "one answer is enough");
  const book = makeTransferBook({ ...input, changes: [] });
  const view = { codec: "zstd", variants: ["zstd"], built: false, bases: [tree("1.0.0")] } as const;
  await assert.rejects(book.pathTo(wanted, view), { code: "artifacts-unreachable" });
  trouble = undefined;
  assert.equal((await book.pathTo(wanted, view)).kind, "direct");
  assert.deepEqual(
    (await planned()).transfers?.map(({ hosts }) => hosts.length),
    [3],
  );
});

test("a list with the signatures of another is used as soon as they belong together", async () => {
  let keys = 0;
  const { input } = world({ from: () => [tree("1.0.0")], keys: () => keys });
  const book = makeTransferBook({ ...input, changes: [] });
  const view = { codec: "zstd", variants: ["zstd"], built: false, bases: [tree("1.0.0")] } as const;
  assert.match((await book.pathTo(wanted, view)).why, /is not used: 0 of 1 release keys/);
  keys = 1;
  assert.equal((await book.pathTo(wanted, view)).kind, "direct");
});

test("hosts of the plan that come from the same tree count together where a patch may be made for them", async () => {
  const { input } = world({
    from: (of) => (of === tree("2.0.0") ? [tree("1.5.0")] : of === tree("1.5.0") ? [tree("1.0.0")] : []),
  });
  const change = (fromTree: string) => ({ component: "app", fromTree: fromTree as never, to: "2.0.0" });
  const kindFor = async (hosts: readonly string[]) => {
    const book = makeTransferBook({ ...input, changes: hosts.map(change) });
    const view = await book.viewOf(wanted, observed({ built: ["1.0.0"] }));
    const { kind, why } = await book.pathTo(wanted, view);
    return `${kind}: ${why}`;
  };
  const many = Array.from({ length: 6_000 }, () => tree("1.0.0"));
  assert.match(await kindFor(many), /^direct: direct patch from 1\.0\.0, made before it is sent; chain/);
  const elsewhere = [tree("1.0.0"), ...many.map(() => tree("0.9.0"))];
  assert.match(await kindFor(elsewhere), /^chain: .*no direct patch is made for 1 host/);
});
