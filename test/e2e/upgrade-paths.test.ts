// From N−3 to N through declared stepping stones on real hosts, and what is refused before anything moves: versions too far
// apart on the way, a step of a migration left out, a version that nothing leads to (R16, R34, R39).
import assert from "node:assert/strict";
import { mkdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { planReleases } from "../../src/app/plan-releases.ts";
import { reviewPlan } from "../../src/app/review-plan.ts";
import { serve } from "../../src/app/serve.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { inFullForm } from "../support/full-form.ts";
import { type Contract, type Home, withHome } from "../support/with-home.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { enrolment, retire } from "../support/with-world.ts";

const plain = (name: string) => ({
  ...{ apiVersion: "cutover/v1", kind: "Component", name, root: `/srv/cutover/${name}`, manager: "none" },
  switch: { strategy: "none" },
});
const [web, store]: readonly Contract[] = [plain("web"), plain("store")];

/** The ladder of `web`, and the migration of `store`, in order of publication. */
const versions: readonly (readonly [name: "web" | "store", version: string, contract: object])[] = [
  ["web", "1.0.0", {}],
  ["web", "1.4.0", { upgrade: { from: ">=1.0 <1.4" } }],
  ["web", "1.8.0", { upgrade: { from: ">=1.4 <1.8" } }],
  ["web", "2.0.0", { upgrade: { from: ">=1.8 <2" } }],
  ["web", "4.0.0", { upgrade: { from: ">=3 <4" } }],
  ["store", "1.0.0", {}],
  [
    "store",
    "1.1.0",
    {
      migrations: { orders: { step: "expand", task: "expand-orders" } },
      tasks: [{ name: "expand-orders", do: "expand", scope: "once", at: "before-switch" }],
    },
  ],
  ["store", "1.2.0", { migrations: { orders: "double-write" } }],
];

async function publishAll(world: Home): Promise<void> {
  const bundle = join(world.directory, "tasks");
  await mkdir(bundle);
  await writeFile(join(bundle, "expand"), "#!/bin/sh\necho 'the new column is there'\n", { mode: 0o755 });
  for (const [name, version, more] of versions) {
    const tree = join(world.directory, "trees", name, version);
    await mkdir(tree, { recursive: true });
    await writeFile(join(tree, "version"), `${name} ${version}\n`);
    await world.publish({ ...plain(name), ...more }, version, tree, "tasks" in more ? bundle : undefined);
  }
}

const currentOn = async (host: LabHost, component: string) =>
  (await readlink(host.pathOf(`${host.prefix}/srv/cutover/${component}/current`))).replace("versions/", "");

test(
  "N−3 and N−1 both get to N by their own stones, each committed everywhere before the next, under one approval",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) => {
      const labelled = async (host: LabHost) => ({ ...(await enrolment(host)), labels: { name: host.name } });
      assert.ok(web && store);
      return withHome(lab, { contracts: [web, store], enrolment: labelled, retire }, async (world) => {
        await publishAll(world);
        const [old, newer] = lab.hosts;
        assert.ok(old && newer);
        const release = (components: readonly object[], policy: object = {}, message?: string) =>
          world.push(
            {
              "release.yaml": { apiVersion: "cutover/v1", kind: "Release", name: "shop", components },
              "policy.yaml": { apiVersion: "cutover/v1", kind: "Policy", name: "default", canaries: 1, ...policy },
            },
            message,
          );
        const currents = () =>
          Promise.all(lab.hosts.flatMap((host) => [currentOn(host, "web"), currentOn(host, "store")]));
        const selectors = [{ match: { name: newer.name }, version: "1.8.0" }];
        await release([
          { name: "web", version: "1.0.0", selectors },
          { name: "store", version: "1.0.0" },
        ]);
        assertOutcomes(await world.reconcile(), "done");
        assert.deepEqual(await currents(), ["1.0.0", "1.0.0", "1.8.0", "1.0.0"]);

        // 1. What is refused is refused before a host hears of it, with what to do instead.
        const refused = async (components: readonly object[]) => {
          await release(components);
          const [result] = (await world.reconcile()).results;
          assert.deepEqual([result?.outcome, result?.run], ["stalled", undefined]);
          assert.deepEqual(await currents(), ["1.0.0", "1.0.0", "1.8.0", "1.0.0"]);
          const { code = "", evidence = "", remedy = "" } = result?.error ?? {};
          return `${code}\n${evidence}\n${remedy}`;
        };
        const near = [{ of: "store", ahead: "9 minor", behind: "0 minor" }];
        const apart = await refused([
          { name: "web", version: "1.8.0", skew: near },
          { name: "store", version: "1.1.0" },
        ]);
        assert.match(
          apart,
          /^skew-exceeded\nswitch\.1: web 1\.0\.0 on .* would run beside store 1\.1\.0 on .*: 1 minor behind/,
        );
        assert.match(apart, /`consumes: \[store\]` at web/);
        const skipped = await refused([
          { name: "web", version: "1.0.0", selectors },
          { name: "store", version: "1.2.0" },
        ]);
        assert.match(skipped, /^migration-order\n.*store 1\.0\.0 → 1\.2\.0 \(orders\) passes over expand of orders/);
        assert.match(skipped, /Release store 1\.1\.0 first, everywhere/);
        const lost = await refused([
          { name: "web", version: "4.0.0" },
          { name: "store", version: "1.0.0" },
        ]);
        assert.match(
          lost,
          /^no-upgrade-path\n.*web 1\.0\.0 → 4\.0\.0\n {2}1\.0\.0 → 4\.0\.0: 4\.0\.0 takes hosts from ">=3 <4" only/,
        );

        // 2. A review from notes sees the same plan as the hosts do, with the whole way, and one approval is for all of it.
        const wanted = [
          { name: "web", version: "2.0.0" },
          { name: "store", version: "1.1.0" },
        ];
        await release(wanted, { approval: "plan-hash" });
        const [review] = (
          await world.withController((controller) => reviewPlan({ reviewer: controller, head: "main" }))
        ).releases;
        const [live] = (await world.withController((controller) => planReleases({ controller }))).plans;
        assert.ok(review && live);
        assert.equal(review.plan.hash, live.hash);
        assert.deepEqual(review.plan.paths, live.paths);
        assert.deepEqual(
          live.paths?.map(({ hosts, from, via, to }) => [hosts.join(), from, ...via, to]),
          [[old.name, "1.0.0", "1.4.0", "1.8.0", "2.0.0"]],
        );
        const [unapproved] = (await world.reconcile()).results;
        assert.equal(unapproved?.trouble?.reason, "ApprovalMissing");
        await release(wanted, { approval: "plan-hash" }, `Approve\n\nCutover-Plan: ${live.hash}`);

        // 3. One pass: three runs, each committed on all its hosts before the next one plans.
        const switched: string[] = [];
        const expanded: string[] = [];
        const pass = await world.reconcile({
          onEvent(event) {
            if (event.kind === "run-planned") switched.push("plan");
            if (event.kind !== "task" || event.event.state !== "done" || event.event.action !== "do") return;
            const [, component, kind] = event.event.task.split("/");
            if (kind === "expand-orders") expanded.push(event.host);
            if (component === "web" && (kind === "switch" || kind === "commit")) switched.push(`${event.host} ${kind}`);
          },
        });
        assertOutcomes(pass, "done");
        assert.deepEqual(expanded, [old.name], "a migration's step is taken once, by one host");
        assert.deepEqual(await currents(), ["2.0.0", "1.1.0", "2.0.0", "1.1.0"]);
        const stretch = [`${old.name} switch`, `${old.name} commit`];
        assert.deepEqual(
          switched.map((word) => word).filter((word) => !word.startsWith(newer.name)),
          ["plan", ...stretch, "plan", ...stretch, "plan", ...stretch],
        );
        assert.deepEqual(switched.filter((word) => word.startsWith(newer.name)).length, 2, "N−1 needs one step");
        const [again] = (await world.reconcile()).results;
        assert.deepEqual([again?.outcome, again?.run], ["in-sync", undefined]);
      });
    }),
);

inFullForm(
  "serve goes on from stone to stone by itself, and leads a way back over the same ones (R16)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(1, (lab) => {
      assert.ok(web);
      return withHome(lab, { contracts: [web], enrolment, retire }, async (world) => {
        const [host] = lab.hosts;
        assert.ok(host);
        await publishAll(world);
        await world.pushVersion("web", "1.0.0");
        assertOutcomes(await world.reconcile(), "done");
        for (const [wanted, way] of [
          ["1.8.0", "1.4.0 1.8.0"],
          ["1.0.0", "1.4.0 1.0.0"],
        ] as const) {
          await world.pushVersion("web", wanted);
          const reached: string[] = [];
          const over = new AbortController();
          const signal = AbortSignal.any([over.signal, AbortSignal.timeout(300_000)]);
          const watcher = {
            onEvent: (event: JournalEvent) => void reached.push(...committedBy(event)),
            onBytes: () => {},
          };
          await world.withController((controller) =>
            serve({
              ...{ controller, watcher, signal, triggers: [], log: silent, takeOver: false },
              onPass() {
                if (reached.includes(wanted)) over.abort();
              },
            }),
          );
          assert.equal(reached.join(" "), way);
          assert.equal(await currentOn(host, "web"), wanted);
        }
      });
    }),
);

const silent = { info: () => {}, warn: () => {}, error: () => {} };

/** The version of a plan whose run has ended well. */
function committedBy(event: JournalEvent): string[] {
  if (event.kind === "run-planned") planned.set(event.stream, event.plan.changes[0]?.to ?? "");
  return event.kind === "run-ended" && event.outcome === "done" ? [planned.get(event.stream) ?? ""] : [];
}
const planned = new Map<string, string>();
