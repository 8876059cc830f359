// Threats and faults end to end, on real hosts. Which file covers which row of the tables (this file: the rows tested below):
//
// | Row            | Covered by                                                                              |
// |----------------|-----------------------------------------------------------------------------------------|
// | T1             | here; test/host/refusals (with T2)                                                      |
// | T4             | here (every mixture of two versions); test/host/refusals (field by field)               |
// | T5, T15        | test/host/hostile-trees, test/host/session, test/adapters/artifact-http                 |
// | T7             | test/host/refusals, test/adapters/ssh-keygen                                            |
// | T8, T9         | here; test/host/refusals (every trust file)                                             |
// | T10            | here; test/host/refusals, test/adapters/ssh-keygen, test/adapters/git-repository        |
// | T14            | here; test/adapters/artifact-http (the controller's cache)                              |
// | T16–T18, T20   | test/adapters/git-repository                                                            |
// | T21, T22       | test/unit/desired/parse-documents                                                       |
// | T23            | test/unit/desired/inert-text, test/unit/model/component, test/host/refusals             |
// | T35            | here; test/host/refusals (every field), test/unit/model/component                       |
// | T24, T28       | test/e2e/faults-systemd                                                                 |
// | T27, T30       | test/e2e/secrets                                                                        |
// | T36            | test/e2e/faults-systemd, test/host/trial, test/host/systemd-switch                      |
// | P5, F18        | here; test/adapters/git-lease, test/host/session, test/unit/run                         |
// | F1             | test/e2e/controller-killed                                                              |
// | F4             | test/e2e/interrupted-transfer, test/host/session                                        |
// | F13            | here; test/host/trial (±50 ms)                                                          |
// | F10–F12, F14   | test/e2e/faults-systemd                                                                 |
// | F21            | here (a built version); test/adapters/artifact-http (the controller's cache)            |
// | F28            | test/e2e/run-control, test/e2e/faults-systemd                                           |
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { chmod, cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { withLease } from "../../src/app/controller.ts";
import { planReleases } from "../../src/app/plan-releases.ts";
import { reconcile } from "../../src/app/reconcile.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { digestOf } from "../../src/model/digest.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import type { Delivery } from "../../src/model/transfer.ts";
import { envelopeNamespace } from "../../src/package/envelope.ts";
import { parseReleaseMetadata, releaseNamespace } from "../../src/package/release-metadata.ts";
import type { JournalPort } from "../../src/ports.ts";
import { openController, signer } from "../../src/wiring.ts";
import { currentOf } from "../support/current-of.ts";
import { inFullForm } from "../support/full-form.ts";
import { deliveryOf, fence, mixtures, withExecutor } from "../support/hand-made-delivery.ts";
import { snapshot } from "../support/host-session.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { type World, withWorld } from "../support/with-world.ts";

const filesOnly = { manager: "none", switch: { strategy: "none" }, health: [], env: {}, deadlineSeconds: 60 };

/** One host, files only: what is refused is refused before anything runs. */
function withOneHost(
  body: (world: World, host: LabHost) => Promise<void>,
  component: Readonly<Record<string, unknown>> = filesOnly,
): Promise<void> {
  return withLoopbackLab(1, (lab) =>
    withWorld(
      lab,
      async (world) => {
        const [host] = lab.hosts;
        assert.ok(host);
        await body(world, host);
      },
      component,
    ),
  );
}

test(
  "T1: a version below the host's floor is refused end to end, nothing of it reaches the disk",
  { skip: loopbackSkip },
  () =>
    withOneHost(async (world, host) => {
      await world.publishWeb("1.0.0");
      await world.publishWeb("2.0.0");
      await world.publishWeb("3.0.0");
      await world.pushWeb("2.0.0");
      await reconciled(world, "done");
      await writeFile(`${host.stateDirectory}/components/web/floor`, "2\n", { mode: 0o600 });
      const before = await diskOf(host);
      await world.pushWeb("1.0.0");
      const { reason } = await reconciled(world, "stuck");
      assert.match(reason, /distribute failed on host-1/);
      assert.match(await evidenceOf(world), /below-floor.*sequence 1 is below this host's floor 2/);
      assert.equal(await diskOf(host), before);
      await world.pushWeb("3.0.0");
      await reconciled(world, "done");
    }),
);

test(
  "T4, T10, T14: every mixture of two versions' parts, a signature made for git, and a payload with one byte flipped are refused; nothing changes, and the true one passes",
  { skip: loopbackSkip },
  (context) =>
    withOneHost(async (world, host) => {
      await world.publishWeb("1.0.0");
      await world.publishWeb("2.0.0");
      await withExecutor(world, async (executor, target) => {
        const one = await deliveryOf(world, host, "1.0.0");
        const two = await deliveryOf(world, host, "2.0.0");
        const send = (delivery: Delivery) => executor.deliver(target, delivery, fence, () => {});
        await assert.rejects(send({ ...one, release: { ...one.release, signatures: "" } }), { code: "bad-signature" });
        const before = await diskOf(host);
        const refusals = new Map<string, number>();
        for (const mixture of mixtures(one, two)) {
          const refused = await send(mixture.delivery).then(
            () => "accepted",
            (error: { code?: string }) => error.code ?? String(error),
          );
          assert.ok(refusalWords.has(refused), `${mixture.name}: ${refused}`);
          refusals.set(refused, (refusals.get(refused) ?? 0) + 1);
          assert.equal(await diskOf(host), before, mixture.name);
        }
        context.diagnostic([...refusals].map(([word, count]) => `${word} ${count}`).join(", "));
        const gitSignature = await signer.sign({
          keyPath: join(world.home, "keys", "release"),
          namespace: "git",
          data: one.release.metadata,
        });
        const forGit = { ...one, release: { ...one.release, signatures: gitSignature } };
        await assert.rejects(send(forGit), { code: "bad-signature" });
        assert.equal(await diskOf(host), before);
        const flipped = join(world.directory, "flipped");
        const bytes = await readFile(one.payload.path);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
        await writeFile(flipped, bytes);
        await assert.rejects(send({ ...one, payload: { ...one.payload, path: flipped } }), { code: "digest-mismatch" });
        // Swapped alone, the payload meets a good offer of the other version: the offer stays, the bytes do not.
        await assert.rejects(send({ ...one, payload: two.payload }), { code: "not-offered" });
        assert.deepEqual(
          (await readdir(`${host.stateDirectory}/incoming`)).filter((name) => /^[0-9a-f]/.test(name)),
          [],
        );
        await send(one);
      });
    }),
);

test(
  "T8, T9: with a trust file that others can write, or without signers, the host accepts nothing, the plan says so, and mending it is enough",
  { skip: loopbackSkip },
  () =>
    withOneHost(async (world, host) => {
      await world.publishWeb("1.0.0");
      await world.pushWeb("1.0.0");
      const signers = `${host.stateDirectory}/trust/release_signers`;
      const before = await diskOf(host);
      const refusedBy = async (word: RegExp) => {
        const { plans } = await world.withController((controller) => planReleases({ controller }));
        assert.match(plans[0]?.held.map(({ evidence }) => evidence).join() ?? "", word);
        assert.equal(plans[0]?.changes.length, 0);
        await reconciled(world, "stalled");
        await withExecutor(world, async (executor, target) => {
          const delivery = await deliveryOf(world, host, "1.0.0");
          await assert.rejects(
            executor.deliver(target, delivery, fence, () => {}),
            { code: /unsafe-permissions|trust-missing/ },
          );
        });
        assert.equal(await diskOf(host), before);
      };
      await chmod(signers, 0o666);
      await refusedBy(/unsafe-permissions.*release_signers can be written/);
      await chmod(signers, 0o600);
      await rename(signers, `${signers}.away`);
      await refusedBy(/trust-missing.*release_signers is not there/);
      await rename(`${signers}.away`, signers);
      await reconciled(world, "done");
    }),
);

test(
  "T14, P1: a byte flipped in the controller's cache is sent to nobody; one flipped in a built version keeps it from switching, and it is built anew",
  { skip: loopbackSkip },
  () =>
    withOneHost(async (world, host) => {
      await world.publishWeb("1.0.0");
      await world.publishWeb("2.0.0");
      await world.pushWeb("1.0.0");
      await reconciled(world, "done");
      await flipInCache(world);
      await world.pushWeb("2.0.0");
      const built = `${host.prefix}/srv/cutover/web/versions/2.0.0/service.cjs`;
      const onEvent = (event: JournalEvent) => {
        if (event.kind === "step-ended" && event.step === "distribute") flip(built);
      };
      await reconciled(world, "stuck", onEvent);
      assert.match(await evidenceOf(world), /verify-failed/);
      assert.equal(await currentOf(host, "/srv/cutover/web"), "1.0.0");
      await reconciled(world, "done");
      assert.equal(await currentOf(host, "/srv/cutover/web"), "2.0.0");
    }),
);

/** What a Component would have to say, and the line that a signer without our publisher would sign. */
const badContracts: readonly (readonly [
  over: Readonly<Record<string, unknown>>,
  forge: (metadata: string) => string,
  code: string,
])[] = [
  [{ root: "/etc" }, (metadata) => metadata.replace(/^root .*$/m, "root /etc"), "root-not-allowed"],
  [{ backup: ["/root/.ssh"] }, (metadata) => `${metadata}backup.0 /root/.ssh\n`, "backup-not-allowed"],
  [{ env: { LD_PRELOAD: "/x.so" } }, (metadata) => `${metadata}env.0 LD_PRELOAD=/x.so\n`, "bad-release"],
];

test(
  "T35: a contract that reaches for /etc, /root/.ssh or LD_PRELOAD is not published, and refused by the host when the release key signed it by other means",
  { skip: loopbackSkip },
  () =>
    withOneHost(async (world, host) => {
      for (const [index, [over]] of badContracts.entries()) {
        const published = world.publish({ ...contract, ...over }, `1.0.${index}`, await treeOf(world, "1"));
        await assert.rejects(published, new RegExp(Object.keys(over).join()));
      }
      await signedByOtherMeans(world, host);
    }),
);

inFullForm(
  "F13: a confirm that comes after the deadline finds the host gone back, and controller and host tell the same story",
  { skip: loopbackSkip },
  () =>
    withOneHost(
      async (world, host) => {
        await world.publishWeb("1.0.0");
        await world.publishWeb("2.0.0");
        await world.pushWeb("1.0.0");
        await reconciled(world, "done");
        await world.pushWeb("2.0.0");
        const lateConfirm = (journal: JournalPort): JournalPort => ({
          ...journal,
          async append(events) {
            await journal.append(events);
            if (!events.some((event) => event.kind === "step-started" && event.step.startsWith("confirm"))) return;
            await deadlineComes({ state: host.stateDirectory });
            await until("the host to go back", 60_000, async () => (await trialOf(host)) === "reverted");
          },
        });
        const { results } = await world.reconcile({ wrapJournal: lateConfirm });
        assert.equal(results[0]?.outcome, "rolled-back");
        assert.match(await evidenceOf(world), /reverted.*reason deadline/);
        assert.equal(await currentOf(host, "/srv/cutover/web"), "1.0.0");
        // A deadline is no evidence against the version (P16): the next pass may try it again.
        await reconciled(world, "done");
        assert.equal(await currentOf(host, "/srv/cutover/web"), "2.0.0");
      },
      { ...filesOnly, deadlineSeconds: 600 },
    ),
);

inFullForm(
  "F18, P5: a second controller is kept out while the lease is held; after it took over, hosts refuse the first, whose run stays open",
  { skip: loopbackSkip },
  () =>
    withOneHost(async (world, host) => {
      await world.publishWeb("1.0.0");
      await world.publishWeb("2.0.0");
      await world.pushWeb("1.0.0");
      await reconciled(world, "done");
      const other = await secondController(world);
      await world.pushWeb("2.0.0");
      let tookOver = false;
      const first = world.reconcile({
        wrapJournal: (journal) => ({
          ...journal,
          async append(events) {
            await journal.append(events);
            if (tookOver || !events.some((event) => event.kind === "step-started" && event.step === "switch.1")) return;
            tookOver = true;
            await assert.rejects(other({ takeOver: false }), { code: "lease-held" });
            assert.equal(await other({ takeOver: true }), "done");
          },
        }),
      });
      await assert.rejects(first, { code: "lease-lost" });
      assert.equal(await currentOf(host, "/srv/cutover/web"), "2.0.0");
      assert.match(await readFile(`${host.stateDirectory}/epoch`, "utf8"), /^holder other$/m);
      // Back again, the first finishes what it had begun and finds it done.
      const { resumed } = await world.reconcile({ takeOver: true });
      assert.deepEqual(
        resumed.map(({ state }) => state.outcome),
        ["done"],
        resumed[0]?.state.reason,
      );

      assert.equal(await currentOf(host, "/srv/cutover/web"), "2.0.0");
    }),
);

// ---- what the tests look at

async function reconciled(
  world: World,
  outcome: string,
  onEvent: (event: JournalEvent) => void = () => {},
): Promise<{ reason: string }> {
  const { results } = await world.reconcile({ onEvent });
  assert.equal(results[0]?.outcome, outcome, `${results[0]?.run?.state.reason ?? ""} ${await evidenceOf(world)}`);
  return { reason: results[0]?.run?.state.reason ?? "" };
}

/** What hosts said when they failed, in the newest run. */
async function evidenceOf(world: World): Promise<string> {
  return world.withController(async ({ journal }) => {
    const last = (await journal.streams("run/")).at(-1);
    const events = last === undefined ? [] : await journal.read(last);
    return events
      .flatMap((event) => (event.kind === "host-ended" && event.outcome !== "done" ? [event.evidence] : []))
      .join("\n");
  });
}

/** Everything on the host that a refused offer must not touch. */
async function diskOf(host: LabHost): Promise<string> {
  const folders = [
    `${host.prefix}/srv`,
    ...["components", "offers", "bundles", "trust"].map((name) => `${host.stateDirectory}/${name}`),
  ];
  return (await Promise.all(folders.map(snapshot))).join("\n").replaceAll(/^.*\/trust\/release_signers.*$/gm, "");
}

async function trialOf(host: LabHost): Promise<string> {
  const names = await readdir(`${host.stateDirectory}/components/web/trial`).catch(() => []);
  return names.find((name) => ["armed", "confirmed", "reverting", "reverted"].includes(name)) ?? "none";
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

async function flipInCache(world: World): Promise<void> {
  const published = parseReleaseMetadata(
    (await world.withController(({ artifacts }) => artifacts.release("web", "2.0.0"))).metadata,
  );
  const { path } = await world.withController(({ artifacts }) => artifacts.payload(published.tree.digest, "zstd"));
  flip(path);
}

// ---- parts by hand

const refusalWords: ReadonlySet<string> = new Set([
  ...["bad-signature", "version-differs", "envelope-mismatch", "manifest-mismatch", "bad-manifest", "not-offered"],
]);

const contract = { apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/srv/cutover/web", ...filesOnly };

async function treeOf(world: World, version: string): Promise<string> {
  const tree = join(world.directory, "by-hand", version);
  await rm(tree, { recursive: true, force: true });
  await cp(join(world.home, "keys", "release.pub"), join(tree, "file"), { recursive: true });
  await writeFile(join(tree, "version"), version);
  return tree;
}

/** The owner of the release key signs what our publisher would not: the host reads the contract itself. */
async function signedByOtherMeans(world: World, host: LabHost): Promise<void> {
  await world.publish(contract, "3.0.0", await treeOf(world, "3.0.0"));
  const sign = (key: string, namespace: string, data: string) =>
    signer.sign({ keyPath: join(world.home, "keys", key), namespace, data });
  await withExecutor(world, async (executor, target) => {
    const honest = await deliveryOf(world, host, "3.0.0");
    const before = await diskOf(host);
    for (const [over, forge, code] of badContracts) {
      const metadata = sorted(forge(honest.release.metadata));
      const envelope = honest.envelope.replace(digestOf(honest.release.metadata), digestOf(metadata));
      const forged: Delivery = {
        ...honest,
        release: { ...honest.release, metadata, signatures: await sign("release", releaseNamespace, metadata) },
        envelope,
        envelopeSignature: await sign("envelope", envelopeNamespace, envelope),
      };
      const name = JSON.stringify(over);
      await assert.rejects(
        executor.deliver(target, forged, fence, () => {}),
        { code },
        name,
      );
      assert.equal(await diskOf(host), before, name);
    }
    await executor.deliver(target, honest, fence, () => {});
  });
}

function sorted(text: string): string {
  return `${text.trimEnd().split("\n").sort().join("\n")}\n`;
}

/** Another controller for the same release repository, with a journal of its own. Returns how to let it do one pass. */
async function secondController(
  world: World,
): Promise<(options: { takeOver: boolean }) => Promise<string | undefined>> {
  const text = await readFile(world.config, "utf8");
  const config = join(world.home, "other.yaml");
  await writeFile(config, `${text.replace(/^(holder|state):.*$/gm, "")}\nholder: other\nstate: other-state\n`);
  return async ({ takeOver }) => {
    const { controller, close } = await openController(config);
    try {
      return await withLease(controller, { takeOver, signal: AbortSignal.timeout(240_000) }, async (lease, signal) => {
        const watcher = { onEvent: () => {}, onBytes: () => {} };
        const { results } = await reconcile({ controller, lease, watcher, signal });
        return results[0]?.outcome;
      });
    } finally {
      await close();
    }
  };
}
