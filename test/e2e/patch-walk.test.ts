// Versions reach real hosts as patches: what is sent, to whom, and what happens where a patch is of no use.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readStatus } from "../../src/app/read-status.ts";
import { holdHost, resumeHost } from "../../src/app/run-control.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { inFullForm } from "../support/full-form.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { component, type ReleasedTree, sha256, type TreeWorld, withTreeWorld } from "../support/with-tree-world.ts";

const blobBytes = 2 * 2 ** 20;
const act = { by: "test", reason: "stays behind" };

/** The same file with a few bytes changed here and there, beside one that stays. */
function makeTrees(count: number): Record<string, Uint8Array>[] {
  const stays = randomBytes(256 * 1024);
  const trees: Record<string, Uint8Array>[] = [];
  let blob = randomBytes(blobBytes);
  for (let index = 0; index < count; index++) {
    trees.push({ "lib/blob": blob, "lib/stays": stays, version: Buffer.from(`${index}\n`) });
    blob = Buffer.from(blob);
    for (let at = 1_000 + index; at < blob.length; at += 300_000) blob[at] = (blob[at] ?? 0) ^ 0xff;
  }
  return trees;
}

const pathsOf = ({ pass }: ReleasedTree) =>
  (pass.results[0]?.plan.transfers ?? []).map(({ path, hosts }) => `${path} ${hosts.join(",")}`);
const outcomeOf = ({ pass }: ReleasedTree) => pass.results[0]?.outcome;

test(
  "each host gets the shortest patch from what it has; one with a damaged base, and one that cannot patch, get the full artifact (R7, T14)",
  { skip: loopbackSkip, timeout: 1_200_000 },
  () =>
    withLoopbackLab(4, (lab) =>
      withTreeWorld(lab, async (world) => {
        const [one, two, damaged, plain] = lab.hosts as [LabHost, LabHost, LabHost, LabHost];
        const trees = makeTrees(3);
        const digests: string[] = [];
        for (const [index, files] of trees.entries()) digests.push(await world.publishTree(`${index + 1}.0.0`, files));
        const first = await world.release("1.0.0");
        assert.equal(outcomeOf(first), "done");
        const full = first.sent.get(`${one.name} full`) ?? 0;
        assert.ok(full > blobBytes);
        await world.release("2.0.0", async (controller) => {
          for (const { name } of [one, plain]) await holdHost(controller, { host: name, ...act });
        });
        await flipByte(world.pathOn(damaged, "versions/2.0.0/lib/blob"));
        await hideZstd(plain);

        const third = await world.release("3.0.0", async (controller) => {
          for (const { name } of [one, plain]) await resumeHost(controller, { host: name, ...act });
        });
        assert.equal(outcomeOf(third), "done");
        assert.deepEqual(pathsOf(third).sort(), [
          `direct ${one.name}`,
          `direct ${two.name},${damaged.name}`,
          `full ${plain.name}`,
        ]);
        for (const { name } of [one, two, damaged]) {
          const bytes = third.sent.get(`${name} patch`) ?? full;
          assert.ok(bytes < full / 10, `${name} was sent ${bytes} bytes, a full artifact has ${full}`);
        }
        assert.deepEqual([...third.sent.keys()].filter((entry) => entry.endsWith("full")).sort(), [
          `${damaged.name} full`,
          `${plain.name} full`,
        ]);
        for (const host of lab.hosts)
          await assertRuns(world, host, { version: "3.0.0", tree: digests[2], files: trees[2] });

        const refusals = third.events.flatMap((event) => (event.kind === "patch-refused" ? [event] : []));
        assert.deepEqual(
          refusals.map(({ host, reason }) => [host, reason]),
          [[damaged.name, "base-damaged"]],
        );
        assert.match(refusals[0]?.evidence ?? "", /lib\/blob/);
        const plainPlan = third.pass.results[0]?.plan.transfers?.find(({ path }) => path === "full");
        assert.match(plainPlan?.why ?? "", /no zstd that applies patches/);
        const status = await world.withController(({ journal, settings }) => readStatus(journal, settings));
        assert.deepEqual(
          status.lastRun?.refusedPatches.map(({ host, reason }) => [host, reason]),
          [[damaged.name, "base-damaged"]],
        );
        const back = await world.release("2.0.0", async (controller) =>
          holdHost(controller, { host: damaged.name, ...act }),
        );
        assert.ok(pathsOf(back).includes(`present ${two.name}`), "what is built already is not sent again");
        assert.equal(back.sent.get(`${two.name} full`), 0);
      }),
    ),
);

inFullForm(
  "a patch that nobody trusted signed for does not count and is made anew, once for all hosts; a chain is sent where it cannot be made (R7, T7)",
  { skip: loopbackSkip, timeout: 1_200_000 },
  () =>
    withLoopbackLab(2, (lab) =>
      withTreeWorld(lab, async (world) => {
        const artifacts = join(world.home, "artifacts");
        const names = lab.hosts.map(({ name }) => name);
        const trees = makeTrees(4);
        const digests: string[] = [];
        for (const [index, files] of trees.entries())
          digests.push(await world.publishTree(`${index + 1}.0.0`, files, 1));
        const placeOf = (digest: string | undefined) => join(artifacts, "trees", (digest ?? "").replace("sha256:", ""));
        const list = join(placeOf(digests[1]), "transfers");
        await writeFile(list, (await readFile(list, "utf8")).replace(/^full\.bytes \d+$/m, "full.bytes 1"));
        await world.release("1.0.0");
        const second = await world.release("2.0.0");
        assert.equal(outcomeOf(second), "done");
        const [unsigned] = second.pass.results[0]?.plan.transfers ?? [];
        assert.match(unsigned?.why ?? "", /list of published patches is not used: 0 of 1 release keys signed it/);
        assert.deepEqual(second.made, [`patch ${component} 1.0.0 → 2.0.0`]);
        assert.deepEqual(
          [...second.sent.keys()].sort(),
          names.map((name) => `${name} patch`),
        );

        for (const gone of ["1.0.0", "2.0.0"])
          await rm(join(artifacts, "components", component, gone), { recursive: true });
        for (const gone of digests.slice(0, 2)) await rm(placeOf(gone), { recursive: true });
        const fourth = await world.release("4.0.0");
        assert.equal(outcomeOf(fourth), "done");
        const [chain] = fourth.pass.results[0]?.plan.transfers ?? [];
        assert.deepEqual([chain?.path, chain?.via, chain?.hosts], ["chain", ["3.0.0"], names]);
        assert.deepEqual(
          [...fourth.sent.keys()].sort(),
          names.map((name) => `${name} patch`),
        );
        for (const host of lab.hosts)
          await assertRuns(world, host, { version: "4.0.0", tree: digests[3], files: trees[3] });
      }),
    ),
);

interface Expected {
  readonly version: string;
  readonly tree: string | undefined;
  readonly files: Record<string, Uint8Array> | undefined;
}

async function assertRuns(world: TreeWorld, host: LabHost, { version, tree, files = {} }: Expected): Promise<void> {
  const marker = await readFile(world.pathOn(host, `versions/${version}/.cutover-verified`), "utf8");
  assert.equal(marker.trim(), tree, host.name);
  for (const [name, bytes] of Object.entries(files))
    assert.equal(await world.digestOn(host, name), sha256(bytes), name);
}

/** As a failing disk would: the byte changes, the file's size and times do not show it. */
async function flipByte(path: string): Promise<void> {
  const { mode, atime, mtime } = await stat(path);
  await chmod(path, 0o644);
  await using file = await open(path, "r+");
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 12_345);
  buffer[0] = (buffer[0] ?? 0) ^ 1;
  await file.write(buffer, 0, 1, 12_345);
  await file.utimes(atime, mtime);
  await file.chmod(mode & 0o777);
}

/** From now on the host's sessions see every program of this machine but zstd. */
async function hideZstd(host: LabHost): Promise<void> {
  const programs = host.pathOf(`${host.prefix}/bin-without-zstd`);
  await mkdir(programs, { recursive: true });
  for (const directory of ["/usr/sbin", "/usr/bin"])
    for (const name of await readdir(directory).catch(() => []))
      if (!name.includes("zstd")) await symlink(join(directory, name), join(programs, name)).catch(() => {});
  const stub = host.pathOf(`${host.stateDirectory}/stub`);
  const text = await readFile(stub, "utf8");
  await chmod(stub, 0o700);
  await writeFile(stub, text.replace(/PATH=\S+/, `PATH=${programs}`));
}
