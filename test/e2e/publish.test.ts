import assert from "node:assert/strict";
import { appendFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { artifactDirectory } from "../../src/adapters/artifact-directory.ts";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import { type KeyPair, signHost } from "../../src/app/keys.ts";
import type { PublishResult } from "../../src/app/publish.ts";
import type { PatchOptions } from "../../src/app/publish-patches.ts";
import { LackingError } from "../../src/errors.ts";
import type { TransferList } from "../../src/model/transfer.ts";
import {
  patchPath,
  payloadPath,
  releasePath,
  signaturesPath,
  transferSignaturesPath,
  transfersPath,
  versionsPath,
} from "../../src/package/layout.ts";
import { parseReleaseMetadata, releaseNamespace } from "../../src/package/release-metadata.ts";
import { encodeTransferList, parseTransferList, transfersNamespace } from "../../src/package/transfer-list.ts";
import type { PatchToolPort, SignerPort } from "../../src/ports.ts";
import { type Files, type Publishing, withPublishing } from "../support/published-release.ts";

const now = Date.UTC(2026, 0, 1);
const tasks = [{ name: "check", do: "check.sh" }];
const bundle = { "check.sh": "#!/bin/sh\nexit 0\n" };
const withTasks = { version: "1.0.0", bundle, component: { tasks }, options: { now } };

/** Path → bytes of everything in a directory. */
async function contentOf(directory: string): Promise<Map<string, string>> {
  const found = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(
    files.map(async (path) => [path.slice(directory.length), await readFile(path, "hex")] as const),
  );
  return new Map(contents.sort());
}

async function verifiedKeys(publishing: Publishing, version: string): Promise<readonly string[]> {
  const { metadata, signatures } = await publishing.repository.release("web", version);
  const allowedKeys = [publishing.releaseKey.publicKey, publishing.secondReleaseKey.publicKey];
  return (await publishing.signer.verify({ allowedKeys, namespace: releaseNamespace, data: metadata, signatures }))
    .keys;
}

test("publishing the same tree twice, into two places, gives identical bytes", () =>
  withPublishing(async (publishing) => {
    await publishing.publish(withTasks);
    const other = artifactDirectory(join(publishing.folder, "other"));
    await publishing.publish({ ...withTasks, options: { now, store: other } });
    const [first, second] = await Promise.all([
      contentOf(publishing.storeDirectory),
      contentOf(join(publishing.folder, "other")),
    ]);
    assert.deepEqual(first, second);
    assert.equal(first.size, 7, "two trees of two files, release, signatures, versions");
  }));

test("publishing what is published already changes nothing and says so, also at a later time", () =>
  withPublishing(async (publishing) => {
    const published = await publishing.publish(withTasks);
    assert.equal(published.outcome, "published");
    assert.equal(published.expires, now / 1000 + 90 * 86_400);
    const before = await contentOf(publishing.storeDirectory);
    const again = await publishing.publish({ ...withTasks, options: { now: now + 86_400_000 } });
    assert.equal(again.outcome, "unchanged");
    assert.equal(again.sequence, published.sequence);
    assert.deepEqual(await contentOf(publishing.storeDirectory), before);
  }));

test("a published version never stands for another tree or another contract", () =>
  withPublishing(async (publishing) => {
    await publishing.publish(withTasks);
    const before = await contentOf(publishing.storeDirectory);
    const files = { "bin/run": "something else" };
    await assert.rejects(publishing.publish({ ...withTasks, files }), {
      code: "version-taken",
      message: /another tree/,
    });
    await assert.rejects(publishing.publish({ ...withTasks, files, options: { now, amend: true } }), {
      code: "version-taken",
    });
    const component = { tasks, deadlineSeconds: 60 };
    await assert.rejects(publishing.publish({ ...withTasks, component }), {
      code: "version-taken",
      evidence: "- deadline.seconds 120\n+ deadline.seconds 60",
    });
    const mended = { "check.sh": "#!/bin/sh\nexit 1\n" };
    await assert.rejects(publishing.publish({ ...withTasks, bundle: mended }), {
      code: "version-taken",
      remedy: /--amend/,
    });
    assert.deepEqual(await contentOf(publishing.storeDirectory), before);
  }));

test("a new bundle amends a version under a higher sequence, and the signature is that of the new text", () =>
  withPublishing(async (publishing) => {
    const first = await publishing.publish(withTasks);
    await publishing.publish({ version: "1.0.1", options: { now } });
    const mended = { "check.sh": "#!/bin/sh\nexit 1\n" };
    const amended = await publishing.publish({ ...withTasks, bundle: mended, options: { now, amend: true } });
    assert.equal(amended.outcome, "amended");
    assert.equal(amended.sequence, 3);
    assert.equal(amended.tree, first.tree);
    assert.notEqual(amended.bundle, first.bundle);
    assert.deepEqual(await publishing.repository.versions("web"), ["1.0.0", "1.0.1"]);
    assert.deepEqual(await verifiedKeys(publishing, "1.0.0"), [publishing.releaseKey.publicKey]);
  }));

test("a publisher killed between its writes leaves something that publishing again completes", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({ version: "0.9.0", options: { now } });
    const writes = ["versions", "release.sig", "/release"];
    for (const [index, last] of writes.entries()) {
      const version = `1.0.${index}`;
      const dying = {
        ...publishing.store,
        write: async (path: string, text: string) => {
          if (path.endsWith(last)) throw new Error("killed");
          await publishing.store.write(path, text);
        },
      };
      await assert.rejects(publishing.publish({ version, options: { now, store: dying } }), /killed/);
      await assert.rejects(publishing.repository.release("web", version), { code: "not-published" });
      await publishing.publish({ version, options: { now } });
      assert.deepEqual(await verifiedKeys(publishing, version), [publishing.releaseKey.publicKey]);
    }
    const sequences = (await readFile(join(publishing.storeDirectory, versionsPath("web")), "utf8"))
      .trimEnd()
      .split("\n");
    assert.equal(new Set(sequences.map((line) => line.split(" ")[0])).size, 4, sequences.join());
  }));

test("every release key adds its signature (T7)", () =>
  withPublishing(async (publishing) => {
    const { releaseKey, secondReleaseKey } = publishing;
    const releaseKeys = [releaseKey.privateKeyPath, secondReleaseKey.privateKeyPath];
    await publishing.publish({ version: "1.0.0", options: { now, releaseKeys } });
    assert.deepEqual(await verifiedKeys(publishing, "1.0.0"), [releaseKey.publicKey, secondReleaseKey.publicKey]);
  }));

test("sequences only rise, and a version that is missing names its neighbours", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({ version: "1.9.0", options: { now } });
    await publishing.publish({ version: "1.10.0", options: { now, sequence: 10, floor: 2 } });
    await publishing.publish({ version: "2.0.0", options: { now } });
    await assert.rejects(publishing.publish({ version: "2.0.1", options: { now, sequence: 11 } }), {
      code: "sequence-taken",
    });
    await assert.rejects(publishing.publish({ version: "2.0.1", options: { now, floor: 13 } }), { code: "usage" });
    assert.deepEqual(await publishing.repository.versions("web"), ["2.0.0", "1.10.0", "1.9.0"]);
    assert.equal(parseReleaseMetadata((await publishing.repository.release("web", "1.10.0")).metadata).floor, 2);
    await assert.rejects(publishing.repository.release("web", "1.10.1"), {
      code: "not-published",
      evidence: /1\.10\.0, /,
    });
    await assert.rejects(publishing.repository.release("wob", "1.0"), {
      code: "not-published",
      evidence: /No version of wob/,
    });
  }));

test("a contract that its tree or bundle does not fulfil is not signed", () =>
  withPublishing(async (publishing) => {
    const started = { manager: "process", switch: { strategy: "restart", start: "bin/run" } };
    const cases: [object, RegExp][] = [
      [{ component: { tasks } }, /bundle holds nothing/],
      [{ component: { tasks }, bundle: { "other.sh": "" } }, /bundle holds other\.sh/],
      [
        { component: { tasks }, bundle: { "check.sh": `#!/bin/sh\n. "\${0%/*}/cutover.sh"\n` } },
        /uses cutover\.sh, which/,
      ],
      [
        { component: { tasks }, bundle: { "check.sh": "#!/usr/bin/python3\nimport cutover\n" } },
        /uses cutover\.py, which/,
      ],
      [{ component: started, files: { a: "b" } }, /no such file/],
      [{ component: { ...started, switch: { ...started.switch, start: "share/version" } } }, /not executable/],
    ];
    for (const [over, message] of cases) {
      await assert.rejects(publishing.publish({ version: "1.0.0", ...over }), { code: "contract-not-met", message });
    }
    await assert.rejects(publishing.publish({ version: "1.0.0", bundle: { "lib/a": "" } }), { code: "unsafe-bundle" });
    await assert.rejects(publishing.publish({ version: "versions" }), { code: "usage" });
    await assert.rejects(publishing.publish({ version: "../x" }), { code: "usage" });
    await assert.rejects(readdir(publishing.storeDirectory), { code: "ENOENT" }, "nothing was written");
  }));

test("host.sh is published as a component of its own; an equal script is an equal version (T36)", () =>
  withPublishing(async (publishing) => {
    const { store, signer, releaseKey } = publishing;
    const input = { script: "#!/bin/sh\n", store, signer, releaseKeys: [releaseKey.privateKeyPath], now };
    const first = await signHost(input);
    assert.deepEqual(
      { component: first.component, outcome: first.outcome, files: first.files },
      { component: "cutover-host", outcome: "published", files: 1 },
    );
    assert.match(first.version, /^[0-9a-f]{12}$/);
    assert.equal((await signHost(input)).outcome, "unchanged");
    const { metadata, manifest } = await publishing.repository.release("cutover-host", first.version);
    assert.match(manifest, /^host\.sh f 0755 10 /);
    assert.equal(parseReleaseMetadata(metadata).contract.root, "/var/lib/cutover/host");
  }));

test("a flipped byte in published metadata no longer verifies", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({ version: "1.0.0", options: { now } });
    const path = join(publishing.storeDirectory, releasePath("web", "1.0.0"));
    await writeFile(path, (await readFile(path, "utf8")).replace("deadline.seconds 120", "deadline.seconds 121"));
    assert.deepEqual(await verifiedKeys(publishing, "1.0.0"), []);
    await writeFile(join(publishing.storeDirectory, signaturesPath("web", "1.0.0")), "junk");
    assert.deepEqual(await verifiedKeys(publishing, "1.0.0"), []);
  }));

const patches = { tools: patchTools(), from: 3, effort: "fast" } as const;
const lines = Array.from({ length: 3_000 }, (_, index) => `line ${index * 7919}\n`).join("");
const filesOf = (version: string) => ({ "bin/run": "#!/bin/sh\n", "lib/data": `${lines}${version}\n` });

async function transfersOf(
  publishing: Publishing,
  tree: string,
): Promise<{ list: TransferList; keys: readonly string[] }> {
  const { text, signatures } = (await publishing.repository.transfers(tree)) ?? { text: "", signatures: "" };
  const allowedKeys = [publishing.releaseKey.publicKey, publishing.secondReleaseKey.publicKey];
  const namespace = transfersNamespace;
  const { keys } = await publishing.signer.verify({ allowedKeys, namespace, data: text, signatures });
  return { list: parseTransferList(text), keys };
}

test("a version comes with patches from the last three, listed and signed, each smaller than the whole", () =>
  withPublishing(async (publishing) => {
    const results: PublishResult[] = [];
    for (const version of ["1.0", "2.0", "3.0", "4.0", "5.0"])
      results.push(await publishing.publish({ version, files: filesOf(version), options: { now, patches } }));
    const trees = results.map(({ tree }) => tree);
    const last = results.at(-1);
    assert.deepEqual(
      last?.patches?.patches.map(({ fromVersion, outcome }) => `${fromVersion} ${outcome}`),
      ["4.0 made", "3.0 made", "2.0 made"],
    );
    const { list, keys } = await transfersOf(publishing, trees[4] ?? "");
    assert.deepEqual(keys, [publishing.releaseKey.publicKey]);
    assert.deepEqual([...new Set(list.patches.map(({ from }) => from))], [trees[3], trees[2], trees[1]]);
    for (const patch of list.patches) {
      assert.ok(patch.bytes < list.fullBytes / 2, `${patch.bytes} of ${list.fullBytes}`);
      assert.equal((await publishing.repository.patch(list.tree, patch)).digest, patch.digest);
    }
    assert.deepEqual((await transfersOf(publishing, trees[0] ?? "")).list.patches, []);
  }));

test("publishing with patches again changes nothing; more patches and better ones join those that are there", () =>
  withPublishing(async (publishing) => {
    for (const version of ["1.0", "2.0", "3.0"]) await publishing.publish({ version, files: filesOf(version) });
    const again = (over: Partial<PatchOptions>) =>
      publishing.publish({ version: "3.0", files: filesOf("3.0"), options: { now, patches: { ...patches, ...over } } });
    const one = await again({ from: 1 });
    assert.deepEqual([one.outcome, one.patches?.patches.map(({ outcome }) => outcome)], ["unchanged", ["made"]]);
    const before = await contentOf(publishing.storeDirectory);
    assert.deepEqual(
      (await again({ from: 1 })).patches?.patches.map(({ outcome }) => outcome),
      ["kept"],
    );
    assert.deepEqual(await contentOf(publishing.storeDirectory), before);
    assert.deepEqual(
      (await again({})).patches?.patches.map(({ outcome }) => outcome),
      ["kept", "made"],
    );
    const fast = (await transfersOf(publishing, one.tree)).list;
    await again({ effort: "best" });
    const best = (await transfersOf(publishing, one.tree)).list;
    for (const { from, bytes } of fast.patches)
      assert.ok(best.patches.some((patch) => patch.from === from && patch.bytes <= bytes));
    await again({ effort: "best" });
    assert.deepEqual((await transfersOf(publishing, one.tree)).list, best);
  }));

test("every key signs the list; a list that somebody else wrote is not built upon (T7)", () =>
  withPublishing(async (publishing) => {
    const { releaseKey, secondReleaseKey } = publishing;
    await publishing.publish({ version: "1.0", files: filesOf("1.0") });
    const options = { now, patches, releaseKeys: [releaseKey.privateKeyPath] };
    const { tree } = await publishing.publish({ version: "2.0", files: filesOf("2.0"), options });
    const both = { ...options, releaseKeys: [releaseKey.privateKeyPath, secondReleaseKey.privateKeyPath] };
    await publishing.publish({ version: "2.0", files: filesOf("2.0"), options: both });
    const signed = await transfersOf(publishing, tree);
    assert.deepEqual(new Set(signed.keys), new Set([releaseKey.publicKey, secondReleaseKey.publicKey]));
    const path = join(publishing.storeDirectory, transfersPath(tree));
    await writeFile(path, (await readFile(path, "utf8")).replace(/^full\.bytes \d+$/m, "full.bytes 1"));
    assert.deepEqual((await transfersOf(publishing, tree)).keys, []);
    await publishing.publish({ version: "2.0", files: filesOf("2.0"), options: both });
    const mended = await transfersOf(publishing, tree);
    assert.deepEqual([mended.list, new Set(mended.keys)], [signed.list, new Set(signed.keys)]);
  }));

/** As another version of zstd may: the same content in other bytes, here with an empty frame behind it. */
const otherTools: PatchToolPort = {
  ...patchTools(),
  async zstd(input) {
    await patchTools().zstd(input);
    await appendFile(input.output, Buffer.from("502a4d1800000000", "hex"));
  },
};

test("a further signer signs the list of a co-signer as it is, and one that he does not name is made anew and said so (T7)", () =>
  withPublishing(async (publishing) => {
    const { releaseKey, secondReleaseKey: second } = publishing;
    await publishing.publish({ version: "1.0", files: filesOf("1.0") });
    const publishAs = (key: KeyPair, over: Partial<PatchOptions> = {}) => {
      const options = { now, releaseKeys: [key.privateKeyPath], patches: { ...patches, ...over } };
      return publishing.publish({ version: "2.0", files: filesOf("2.0"), options });
    };
    const { tree } = await publishAs(releaseKey);
    const first = await transfersOf(publishing, tree);
    const cosigners = [releaseKey.publicKey];
    const { patches: done } = await publishAs(second, { tools: otherTools, cosigners });
    assert.deepEqual([done?.cosigned, done?.voided, done?.patches[0]?.outcome], [{ problem: undefined }, 0, "kept"]);
    const both = await transfersOf(publishing, tree);
    assert.deepEqual(both.list, first.list);
    assert.deepEqual(new Set(both.keys), new Set([releaseKey.publicKey, second.publicKey]));
    const again = await contentOf(publishing.storeDirectory);
    await publishAs(second, { tools: otherTools, cosigners });
    assert.deepEqual(await contentOf(publishing.storeDirectory), again);

    await publishing.publish({ version: "3.0", files: filesOf("3.0") });
    const alone = { now, releaseKeys: [releaseKey.privateKeyPath], patches };
    const third = await publishing.publish({ version: "3.0", files: filesOf("3.0"), options: alone });
    const unnamed = { now, releaseKeys: [second.privateKeyPath], patches: { ...patches, tools: otherTools } };
    const { patches: made } = await publishing.publish({ version: "3.0", files: filesOf("3.0"), options: unnamed });
    assert.deepEqual([made?.cosigned, made?.voided, made?.patches[0]?.outcome], [undefined, 1, "made"]);
    assert.deepEqual((await transfersOf(publishing, third.tree)).keys, [second.publicKey]);
  }));

test("a co-signer's list is not signed when its bytes are others, when it leads from no version, or when its sizes are wrong (T12)", () =>
  withPublishing(async (publishing) => {
    const { releaseKey, secondReleaseKey: second, store, signer } = publishing;
    await publishing.publish({ version: "1.0", files: filesOf("1.0") });
    const first = { now, releaseKeys: [releaseKey.privateKeyPath], patches };
    const { tree } = await publishing.publish({ version: "2.0", files: filesOf("2.0"), options: first });
    const { list } = await transfersOf(publishing, tree);
    const [patch] = list.patches;
    assert.ok(patch);
    const place = patchPath({ from: patch.from, to: tree, variant: patch.variant });
    const bytes = await readFile(join(publishing.storeDirectory, place));
    const forgeries: [RegExp, Buffer, TransferList][] = [
      [/does not have the digest|damaged|corrupt/i, Buffer.alloc(bytes.length, 7), list],
      [/which no version stands for/, bytes, { ...list, patches: [{ ...patch, from: `sha256:${"0".repeat(64)}` }] }],
      [/gives the full artifact 1 bytes/, bytes, { ...list, fullBytes: 1 }],
      [/other sizes than it says/, bytes, { ...list, patches: [{ ...patch, outputBytes: 1e12 }] }],
    ];
    for (const [problem, content, forged] of forgeries) {
      await writeFile(join(publishing.storeDirectory, place), content);
      const text = encodeTransferList(forged);
      const signing = { keyPath: releaseKey.privateKeyPath, namespace: transfersNamespace, data: text };
      await store.write(transfersPath(tree), text);
      await store.write(transferSignaturesPath(tree), await signer.sign(signing));
      const theirs = { ...patches, cosigners: [releaseKey.publicKey] };
      const options = { now, releaseKeys: [second.privateKeyPath], patches: theirs };
      const { patches: done } = await publishing.publish({ version: "2.0", files: filesOf("2.0"), options });
      assert.match(done?.cosigned?.problem ?? "", problem);
      const mended = await transfersOf(publishing, tree);
      assert.deepEqual(mended.list, list);
      assert.ok(mended.keys.includes(second.publicKey));
    }
  }));

test("our own list of another tree is not built upon, and nothing that a store hands out is ever signed to find that out (T12)", () =>
  withPublishing(async (publishing) => {
    const { store, signer, releaseKey } = publishing;
    const options = { now, patches };
    await publishing.publish({ version: "1.0", files: filesOf("1.0"), options });
    const other = await publishing.publish({ version: "2.0", files: filesOf("2.0"), options });
    const { tree } = await publishing.publish({ version: "3.0", files: filesOf("3.0"), options });
    const honest = await transfersOf(publishing, tree);
    for (const pathOf of [transfersPath, transferSignaturesPath])
      await store.write(pathOf(tree), (await store.read(pathOf(other.tree), 1e6)) ?? "");
    const signed: string[] = [];
    const watched: SignerPort = {
      ...signer,
      sign(input) {
        signed.push(input.data);
        return signer.sign(input);
      },
    };
    const files = filesOf("3.0");
    const signing = { ...options, signer: watched, releaseKeys: [releaseKey.privateKeyPath] };
    await publishing.publish({ version: "3.0", files, options: signing });
    const mended = await transfersOf(publishing, tree);
    assert.deepEqual(mended, honest);
    const lists = signed.filter((data) => data.startsWith("format cutover-transfers/"));
    assert.deepEqual(lists, [encodeTransferList(honest.list)]);
  }));

test("a signature that only claims to be ours is replaced by ours", () =>
  withPublishing(async (publishing) => {
    const { store, signer, releaseKey } = publishing;
    const again = () => publishing.publish({ version: "2.0", files: filesOf("2.0"), options: { now, patches } });
    await publishing.publish({ version: "1.0", files: filesOf("1.0") });
    const { tree } = await again();
    const before = await contentOf(publishing.storeDirectory);
    const other = { keyPath: releaseKey.privateKeyPath, namespace: transfersNamespace, data: "another text" };
    await store.write(transferSignaturesPath(tree), await signer.sign(other));
    await again();
    assert.deepEqual(await contentOf(publishing.storeDirectory), before);
  }));

test("what cannot be made or would save nothing is said, and the version is published without it", () =>
  withPublishing(async (publishing) => {
    const useless: PatchToolPort = {
      ...patchTools(),
      zstd: ({ output }) => writeFile(output, Buffer.alloc(200_000)),
      bsdiff: ({ output }) => writeFile(output, Buffer.alloc(200_000)),
    };
    const publishAs = (version: string, files: Files, tools: PatchToolPort = patchTools()) =>
      publishing.publish({ version, files, options: { now, patches: { ...patches, from: 1, tools } } });
    await publishAs("1.0", filesOf("1.0"));
    const unlike = await publishAs("2.0", filesOf("2.0"), useless);
    assert.deepEqual(unlike.patches?.patches, [{ fromVersion: "1.0", bytes: {}, outcome: "not-smaller" }]);
    const first = await publishAs("3.0", filesOf("3.0"));
    const broken = { ...patchTools(), bsdiff: () => Promise.reject(new LackingError("bsdiff: no memory", "")) };
    const withoutIt = (await publishAs("3.1", filesOf("3.1"), broken)).patches?.patches[0];
    assert.deepEqual([withoutIt?.outcome, withoutIt?.reason], ["made", "bsdiff: no memory"]);
    await publishAs("3.2", filesOf("3.0"));
    assert.equal((await publishAs("3.3", filesOf("3.0"))).patches?.patches[0]?.outcome, "same-tree");
    const bare = await publishAs("4.0", filesOf("4.0"), patchTools({ path: "" }));
    assert.deepEqual(bare.patches?.missingTools, ["zstd", "bsdiff"]);
    assert.match(bare.patches?.patches[0]?.reason ?? "", /zstd is not installed/);
    await rm(join(publishing.storeDirectory, payloadPath(bare.tree)));
    const after = await publishAs("5.0", filesOf("5.0"));
    assert.deepEqual([after.outcome, after.patches?.patches[0]?.outcome], ["published", "not-possible"]);
    assert.match(after.patches?.patches[0]?.reason ?? "", /is missing in/);
    assert.ok(first.patches && first.patches.fullBytes > 0);
  }));
