// What a pass makes of releases that fail: none hides another, none is tried for ever, and every failure keeps its reason.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readStatus } from "../../src/app/read-status.ts";
import { openJournal } from "../../src/wiring.ts";
import { withHome } from "../support/with-home.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { enrolment, retire } from "../support/with-world.ts";

const document = { apiVersion: "cutover/v1", kind: "Component" };
const filesOnly = { manager: "none", switch: { strategy: "none" }, health: [], env: {}, deadlineSeconds: 120 };

test(
  "one release that cannot be planned hides no other; a plan that fails is not tried at every pass; a refused commit is remembered with its reason",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(1, (lab) => {
      const contracts = ["base", "web"].map((name) => ({
        ...document,
        ...filesOnly,
        name,
        root: `/srv/cutover/${name}`,
      }));
      return withHome(lab, { contracts, enrolment, retire }, async (world) => {
        const [base, web] = contracts;
        assert.ok(base && web);
        await world.publish(web, "1.0.0", await treeOf(world.directory, "1.0.0"));
        const release = (name: string, version: string) => ({
          ...{ apiVersion: "cutover/v1", kind: "Release", name, policy: "default" },
          components: [{ name, version }],
        });
        await world.push({
          "base.release.yaml": release("base", "9.9.9"),
          "web.release.yaml": release("web", "1.0.0"),
        });
        const { results } = await world.reconcile();
        assert.deepEqual(
          results.map(({ release: name, outcome, error, state }) => [name, outcome, error?.code, state?.reason]),
          [
            ["base", "stalled", "not-published", "not-published"],
            ["web", "done", undefined, "Converged"],
          ],
        );
        const impossible = { ...web, needs: { diskMb: 100_000_000 } };
        await world.publish(impossible, "2.0.0", await treeOf(world.directory, "2.0.0"));
        await world.push({ "web.yaml": impossible, "web.release.yaml": release("web", "2.0.0") });
        const outcomes: unknown[] = [];
        for (const _ of [1, 2, 3]) {
          const [, result] = (await world.reconcile()).results;
          outcomes.push([result?.outcome, result?.backOff?.tries, result?.run === undefined, result?.state?.reason]);
        }
        assert.deepEqual(outcomes, [
          ["stuck", 1, false, "backing-off"],
          ["stuck", 2, false, "backing-off"],
          ["stalled", 2, true, "backing-off"],
        ]);
        const commit = await world.push({ "web.release.yaml": { ...release("web", "2.0.0"), strategie: "rolling" } });
        await assert.rejects(world.reconcile(), { code: "documents-invalid" });
        const { journal, settings, close } = await openJournal(world.config);
        try {
          const { refused, backOffs } = await readStatus(journal, settings);
          assert.deepEqual([refused?.commit, refused?.code], [commit, "documents-invalid"]);
          assert.match(refused?.evidence ?? "", /strategie/);
          assert.deepEqual(
            backOffs.map(({ release: name }) => name),
            ["web"],
          );
        } finally {
          await close();
        }
      });
    }),
);

async function treeOf(directory: string, version: string): Promise<string> {
  const tree = join(directory, "trees", version);
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "version"), version);
  return tree;
}
