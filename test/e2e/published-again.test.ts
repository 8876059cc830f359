// A version that is published again, under its old name, while a run is under way or after it: the run and the way back do
// only what was planned (P12).
import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { withLease } from "../../src/app/controller.ts";
import { type PublishInput, publish } from "../../src/app/publish.ts";
import { rollBackRelease } from "../../src/app/roll-back.ts";
import { Component } from "../../src/model/component.ts";
import { artifactWriter, signer } from "../../src/wiring.ts";
import { afterWrite, controllerGone } from "../support/after-write.ts";
import { type Home, withHome } from "../support/with-home.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { enrolment, retire } from "../support/with-world.ts";

const contract = {
  ...{ apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/srv/cutover/web", manager: "none" },
  ...{ switch: { strategy: "none" }, deadlineSeconds: 120 },
};

test(
  "a run that is taken up again sends a version only as it was planned, and so does the way back (P12)",
  {
    skip: loopbackSkip,
  },
  () =>
    withLoopbackLab(2, (lab) =>
      withHome(lab, { contracts: [contract], policy: { batchSize: 2 }, enrolment, retire }, async (world) => {
        for (const version of ["1.0.0", "2.0.0", "3.0.0"]) await publishWeb(world, version);
        await world.pushVersion("web", "1.0.0");
        await world.reconcile();

        // 1. Only the expiry was renewed meanwhile: the run goes on.
        await world.pushVersion("web", "2.0.0");
        await dieAfterFirstDelivery(world);
        await publishWeb(world, "2.0.0", { amend: true, expiresInDays: 30 });
        const renewed = await world.reconcile();
        assert.deepEqual(renewed.resumed.map(({ state }) => [state.outcome, state.reason]), [["done", "every host read back"]]); // biome-ignore format: one line
        assert.deepEqual(renewed.results.map(({ outcome }) => outcome), ["in-sync"]); // biome-ignore format: one line

        // 2. It has another task bundle by now: the old run sends it to nobody and ends; a plan of its own brings it.
        await world.pushVersion("web", "3.0.0");
        await dieAfterFirstDelivery(world);
        const bundle = join(world.directory, "tasks");
        await mkdir(bundle);
        await writeFile(join(bundle, "look"), "#!/bin/sh\n");
        await publishWeb(world, "3.0.0", { amend: true, bundleDirectory: bundle });
        const { resumed, results } = await world.reconcile();
        const [old] = resumed;
        assert.equal(old?.state.outcome, "stuck", old?.state.reason);
        const record = old?.state.tasks.find(({ reason }) => reason === "version-changed");
        assert.match(record?.evidence ?? "", /^web 3\.0\.0 has another task bundle or contract: planned with sha256:/);
        const [anew] = results;
        assert.equal(anew?.outcome, "done", anew?.run?.state.reason);
        assert.notEqual(anew?.plan.hash, old?.state.plan?.hash, "another plan, to be agreed to anew");

        // 3. What 2.0.0 names is not what ran: nothing goes back to it.
        await rm(join(world.home, "artifacts/components/web/2.0.0"), { recursive: true });
        await publishWeb(world, "2.0.0", {}, "other files under the same name");
        await assert.rejects(rollBack(world), {
          code: "version-changed",
          evidence: /^web 2\.0\.0 has other files: planned with sha256:.*, published now sha256:/,
        });
        assert.deepEqual((await world.reconcile()).results.map(({ outcome }) => outcome), ["in-sync"]); // biome-ignore format: one line
      }),
    ),
);

async function publishWeb(world: Home, version: string, more: Partial<PublishInput> = {}, text = version) {
  const directory = join(world.directory, "trees", version);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "version"), text);
  await publish({
    ...{ directory, component: Component.parse(contract), version, signer, now: Date.now(), zstdLevel: 1 },
    ...{ releaseKeys: [join(world.home, "keys/release")], store: artifactWriter(join(world.home, "artifacts")) },
    ...more,
  });
}

async function dieAfterFirstDelivery(world: Home): Promise<void> {
  const wrapJournal = afterWrite(({ kind }) => {
    if (kind === "delivered") throw controllerGone;
  });
  await assert.rejects(world.reconcile({ wrapJournal }), controllerGone);
}

function rollBack(world: Home) {
  return world.withController((controller) =>
    withLease(controller, { takeOver: false, signal: AbortSignal.timeout(240_000) }, (lease, signal) =>
      rollBackRelease({
        ...{ controller, lease, signal, by: "anna", reason: "it looks wrong" },
        watcher: { onEvent: () => {}, onBytes: () => {} },
      }),
    ),
  );
}
