// Who gets what: one payload and one envelope for all that look alike, the next best where something cannot be had.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoadedVersion } from "../../../src/app/load-published.ts";
import { makeDeliveries } from "../../../src/app/make-deliveries.ts";
import { CutoverError } from "../../../src/errors.ts";
import { Component } from "../../../src/model/component.ts";
import type { Host } from "../../../src/model/fleet.ts";
import type { Digest } from "../../../src/model/names.ts";
import type { Observation } from "../../../src/model/observation.ts";
import type { Codec, PayloadFile, PublishedPatch } from "../../../src/model/transfer.ts";
import { parseEnvelope } from "../../../src/package/envelope.ts";
import { encodeReleaseMetadata } from "../../../src/package/release-metadata.ts";
import { encodeTransferList } from "../../../src/package/transfer-list.ts";
import { makeTask } from "../../../src/plan/host-tasks.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import type { ArtifactRepositoryPort } from "../../../src/ports.ts";
import { sleptClock } from "../../support/engine.ts";
import { fleetOf, planInput, treeOf } from "../../support/plan-input.ts";

const hosts = ["h1", "h2", "h3"];
const plan = makePlan(planInput({ components: { app: { hosts } } }));
const tree = (version: string) => treeOf("app", version);
const contract = Component.parse({ apiVersion: "cutover/v1", kind: "Component", name: "app", root: "/srv/app" });
const digest = (text: string): Digest => treeOf("payload", text);
const full = 1_000_000;

interface Request {
  readonly patches?: readonly Partial<PublishedPatch>[];
  readonly tools?: Readonly<Record<string, readonly string[]>>;
  readonly fails?: (asked: string) => CutoverError | undefined;
  readonly madeBytes?: number;
  /** What hosts run, where that is not 1.0.0. */
  readonly runs?: Readonly<Record<string, string>>;
  readonly keys?: number;
  /** How the version differs by now from what was planned. */
  readonly amended?: Partial<LoadedVersion["published"]>;
}

function world({
  patches = [],
  tools = {},
  fails = () => undefined,
  madeBytes = 5_000,
  keys = 1,
  amended,
  runs = {},
}: Request) {
  const asked: string[] = [];
  const ask = (what: string) => {
    asked.push(what);
    const error = fails(what);
    if (error) throw error;
  };
  const file = (name: string, more: Partial<PayloadFile>): PayloadFile => ({
    ...{ path: "/dev/null", digest: digest(name), bytes: full, codec: "zstd", outputBytes: 2 * full },
    ...more,
  });
  const signedFor = (one: Partial<PublishedPatch>): PublishedPatch => ({
    ...{ from: tree("1.0.0"), variant: "zstd", bytes: 900, outputBytes: 2_000, memoryMib: 300 },
    digest: digest(`patch ${one.from} ${one.bytes}`),
    ...one,
  });
  const artifacts: ArtifactRepositoryPort = {
    release: () => Promise.reject(new Error("versions are loaded")),
    versions: async () => ["2.0.0", "1.0.0"],
    async payload(_tree, codec: Codec) {
      ask(`full ${codec}`);
      return file(`full ${codec}`, { codec });
    },
    async transfers(of) {
      if (patches.length === 0 || of !== tree("2.0.0")) return undefined;
      const text = encodeTransferList({ tree: of, fullBytes: full, patches: patches.map(signedFor) });
      return { text, signatures: "" };
    },
    async patch(_to, { bytes, from, memoryMib }) {
      ask(`patch ${bytes}`);
      return file(`patch ${bytes}`, { codec: "patch", bytes, base: from, memoryMib });
    },
    async makePatch({ from, variant, onProgress }) {
      onProgress?.({ what: "", done: 1, total: 2 });
      ask(`make ${variant}`);
      return file("made", { codec: "patch", bytes: madeBytes, base: from, memoryMib: 200 });
    },
    chain: () => Promise.reject(new Error("no chain here")),
  };
  const version = (name: string): LoadedVersion => ({
    release: {
      ...{ component: "app", version: name, signatures: "", manifest: "" },
      metadata: encodeReleaseMetadata({
        ...{ component: "app", version: name, sequence: 1, expires: 9_999_999_999, floor: 0, contract },
        ...{ tree: { digest: tree(name), bytes: 5 * full, files: 3 }, bundle: undefined },
      }),
    },
    published: {
      ...({ component: "app", version: name } as LoadedVersion["published"]),
      tree: tree(name),
      contract: plan.contracts?.[`app@${name}`] ?? digest("contract"),
      bundle: undefined,
      ...amended,
    },
  });
  const observed = planInput({ components: { app: { hosts } } }).observations;
  const observationOf = async ({ name }: Host): Promise<Observation> => {
    const seen = observed.get(name);
    assert.ok(seen?.kind === "observed");
    const current = runs[name] ?? "1.0.0";
    const components = seen.components.map((each) => ({
      ...each,
      ...{ current, currentTree: tree(current), committed: current, committedTree: tree(current) },
      built: [current],
    }));
    return { ...seen, facts: { ...seen.facts, tools: tools[name] ?? ["zstd", "xz", "zstd-patch"] }, components };
  };
  const making: boolean[] = [];
  const signedTexts: string[] = [];
  const settings = { envelopeKeyPath: "key" } as never;
  const signer = {
    async sign({ data }: { data: string }) {
      signedTexts.push(data);
      return "signature";
    },
    verify: async () => ({ keys: Array.from({ length: keys }, (_, index) => `key ${index}`) }),
  };
  const deliveryFor = makeDeliveries({
    controller: { artifacts, signer, settings, clock: sleptClock() },
    plan,
    fence: { run: "r1", epoch: 1, holder: "c" },
    sources: { trust: { releaseKeys: ["ssh-ed25519 AAAA"], threshold: 1 }, versionOf: async (wanted) => version(wanted.version), observationOf }, // biome-ignore format: one line
    onMaking: ({ ended }) => void making.push(ended),
    signal: new AbortController().signal,
  });
  const deliver = (name: string, refused?: string, spoiled = false) => {
    const [host] = fleetOf([name]);
    assert.ok(host);
    return deliveryFor(makeTask({ host: name, component: "app", to: "2.0.0" }, "distribute"), host, {
      refused,
      spoiled,
    });
  };
  return { asked, signedTexts, making, deliver };
}

const stalls = (code: string) => new CutoverError({ code, message: `${code}!` });

test("hosts that look alike share one payload and one envelope, which names them all and the decoder's memory (T13)", async () => {
  const { asked, signedTexts, deliver } = world({ patches: [{ bytes: 900 }] });
  const [one, two] = await Promise.all(["h1", "h2"].map((host) => deliver(host)));
  assert.equal(one, two);
  assert.deepEqual(asked, ["patch 900"]);
  const [text = "", ...others] = signedTexts;
  assert.equal(others.length, 0);
  const envelope = parseEnvelope(text);
  assert.deepEqual([envelope.hosts, envelope.base, envelope.memoryMib], [hosts, tree("1.0.0"), 300]);
  assert.deepEqual([envelope.tree.codec, envelope.tree.payloadBytes], ["patch", 900]);
  assert.equal(one?.why, "direct patch 900 B; full 1.0 MB");
});

test("a host without zstd, and one whose patch was refused, get the full artifact in the best codec they unpack (R7)", async () => {
  const { deliver } = world({ patches: [{}], tools: { h2: ["xz", "gzip"], h3: ["gzip", "zstd", "zstd-patch"] } });
  assert.equal((await deliver("h2")).payload.codec, "xz");
  const refused = await deliver("h1", "base-damaged");
  assert.deepEqual([refused.payload.codec, refused.payload.base], ["zstd", undefined]);
  assert.equal(refused.why, "full artifact, since the host refused a patch: base-damaged");
  assert.equal(parseEnvelope(refused.envelope).base, undefined);
  assert.equal((await deliver("h3", "no-codec")).payload.codec, "gzip", "whatever it lacks, zstd needs more of it");
});

test("patches of equal bytes from two versions are two deliveries: each host is told where it starts (T4)", async () => {
  const patches = ["1.0.0", "1.1.0"].map((from) => ({ from: tree(from), bytes: 900 }));
  const { deliver } = world({ patches, runs: { h2: "1.1.0" } });
  const [one, two] = [await deliver("h1"), await deliver("h2")];
  assert.equal(one.payload.digest, two.payload.digest);
  assert.deepEqual(
    [one, two].map(({ envelope }) => parseEnvelope(envelope).base),
    [tree("1.0.0"), tree("1.1.0")],
  );
});

test("what was spoiled on the way is looked at on disk again, published or made, and shared by all again (F21)", async () => {
  for (const [request, what] of [
    [{ patches: [{ bytes: 900 }] }, "patch 900"],
    [{}, "make zstd"],
  ] as const) {
    const { asked, deliver } = world(request);
    const times = () => asked.filter((each) => each === what).length;
    await deliver("h1");
    await deliver("h2");
    assert.equal(times(), 1);
    await deliver("h1", undefined, true);
    await deliver("h3");
    assert.equal(times(), 2, what);
  }
});

test("a missing patch is made once, for all decoders, and compared with the full artifact when its size is known", async () => {
  const { asked, making, deliver } = world({ tools: { h2: ["zstd", "zstd-patch", "bspatch"] } });
  const [one, two] = await Promise.all(["h1", "h2"].map((host) => deliver(host)));
  assert.equal(one?.payload.digest, two?.payload.digest);
  assert.deepEqual(
    asked.filter((each) => each.startsWith("make")),
    ["make zstd"],
  );
  assert.equal(one?.why, "direct patch 5.0 kB; full 1.0 MB");
  assert.deepEqual(making, [false, true]);
  const large = await world({ madeBytes: full + 1 }).deliver("h1");
  assert.deepEqual([large.payload.base, large.why], [undefined, "full 1.0 MB; direct patch 1.0 MB"]);
});

test("what cannot be had is crossed out and said; what may be over by itself is left to whoever tries again", async () => {
  const broken = world({ fails: (what) => (what.startsWith("make") ? stalls("artifact-incomplete") : undefined) });
  const delivery = await broken.deliver("h1");
  assert.equal(delivery.payload.base, undefined);
  assert.match(delivery.why ?? "", /the patch from 1\.0\.0 cannot be had: artifact-incomplete!/);
  const damaged = world({ patches: [{ bytes: 900 }], fails: (what) => (what === "patch 900" ? stalls("artifact-corrupt") : undefined) }); // biome-ignore format: one line
  assert.equal((await damaged.deliver("h1")).payload.base, undefined);
  let down = true;
  const gone = new CutoverError({ code: "artifacts-unreachable", message: "down", disposition: "retry" });
  const back = world({ patches: [{}], fails: () => (down ? gone : undefined) });
  await assert.rejects(back.deliver("h1"), { code: "artifacts-unreachable" });
  down = false;
  assert.equal((await back.deliver("h1")).payload.codec, "patch", "asked again");
});

test("a list of patches that too few release keys signed is not used, and said so (T7)", async () => {
  const { asked, deliver } = world({ patches: [{}], keys: 0, fails: (what) => (what.startsWith("make") ? stalls("no") : undefined) }); // biome-ignore format: one line
  const { why = "" } = await deliver("h1");
  assert.ok(!asked.some((each) => each.startsWith("patch")));
  assert.match(why, /list of published patches is not used: 0 of 1 release keys signed it/);
});

test("a version that was published again with other files, or another bundle or contract, is not sent under the plan of the one before (P12)", async () => {
  for (const [amended, what] of [
    [{ tree: digest("other") }, "other files"],
    [{ contract: digest("other") }, "another task bundle or contract"],
  ] as const) {
    const { asked, deliver } = world({ amended });
    await assert.rejects(deliver("h1"), (error: CutoverError) => {
      assert.deepEqual([error.code, error.disposition, error.remedy], ["version-changed", "stall", "cutover plan"]);
      assert.match(error.evidence ?? "", new RegExp(`^app 2\\.0\\.0 has ${what}: planned with sha256:.* now sha256:`));
      return true;
    });
    assert.deepEqual(asked, []);
  }
  const renewed = await world({ amended: { sequence: 9 } }).deliver("h1");
  assert.equal(renewed.component, "app", "an expiry that was renewed raises the sequence, and no more");
});
