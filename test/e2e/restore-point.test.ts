// R17 on real hosts: a config conversion that breaks costs no byte, on the host that it ran on and on the one that was saved
// together with it; and a restore point that is torn keeps anything from switching.
import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { type Home, withHome } from "../support/with-home.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { enrolment } from "../support/with-world.ts";

const base = { apiVersion: "cutover/v1", kind: "Component", deadlineSeconds: 60 };
const database = {
  ...base,
  name: "database",
  root: "/srv/cutover/database",
  backup: ["/srv/cutover/data/settings"],
  backupTask: "save",
  tasks: [
    { name: "save", do: "dump", undo: "load" },
    { name: "convert", do: "convert", at: "after-switch" },
  ],
};
const cache = { ...base, name: "cache", root: "/srv/cutover/cache", backup: ["/srv/cutover/data/entries"] };
/** Too long for the limit of the point that is torn; the other limit is none that a busy machine meets. */
const slowSeconds = "1.8";
const [tightMs, amplyMs] = [1_500, 120_000];
const tasksOf = (convert: string) => ({
  dump: `#!/bin/sh
data=$CUTOVER_PREFIX/srv/cutover/data
[ ! -f "$data/slow" ] || sleep ${slowSeconds}
cp "$data/rows" "$CUTOVER_BACKUP/rows"
`,
  load: '#!/bin/sh\ncp "$CUTOVER_BACKUP/rows" "$CUTOVER_PREFIX/srv/cutover/data/rows"\n',
  convert: `#!/bin/sh\ncd "$CUTOVER_PREFIX/srv/cutover/data" || exit 70\n${convert}\n`,
});

test(
  "R17: a broken config conversion is rolled back to the very bytes of a restore point across hosts; a torn point is refused before anything switches",
  { skip: loopbackSkip, timeout: 1_200_000 },
  () =>
    withLoopbackLab(2, (lab) => {
      const [first, second] = lab.hosts;
      assert.ok(first && second);
      const componentsOf = (host: LabHost) => (host === first ? ["database"] : ["cache"]);
      const request = {
        contracts: [database, cache],
        enrolment: async (host: LabHost) => ({ ...(await enrolment(host)), components: componentsOf(host) }),
        retire: async (host: LabHost) => {
          await host.run(["sh", "-c", `rm -rf '${host.stateDirectory}' '${host.prefix}/srv'`]);
          await rm(host.pathOf(host.authorizedKeysFile), { force: true });
        },
      };
      return withHome(lab, request, async (world) => {
        const rows = dataOn(first, "rows");
        const settings = dataOn(first, "settings");
        const entries = dataOn(second, "entries");
        for (const host of lab.hosts) await mkdir(dataOn(host, ""), { recursive: true, mode: 0o700 });
        await writeFile(rows, "rows of 1");
        await writeFile(settings, Buffer.from([0, 255, 10, 13]));
        await writeFile(entries, "entries of 1");
        await bring(world, { version: "1", convert: ":", withinMs: amplyMs });
        assertOutcomes(await world.reconcile(), "done");

        const broken = { version: "2", convert: "echo converted >settings; echo half >rows; exit 1" };
        await bring(world, { ...broken, withinMs: tightMs });
        await writeFile(dataOn(first, "slow"), "");
        const torn: JournalEvent[] = [];
        const refused = await world.reconcile({ onEvent: (event) => void torn.push(event) });
        assertOutcomes(refused, "stuck");
        const [run] = refused.results.map((result) => result.run);
        assert.match(
          run?.state.reason ?? "",
          /restore-point failed on .*database is \d+ ms too late .* took \d{4,} ms/,
        );
        assert.deepEqual(kindsOf(torn, "restore-point-"), ["begun", "torn", "begun", "torn", "begun", "torn"]);
        assert.ok(!torn.some((event) => event.kind === "task" && event.event.task.endsWith("/switch")));

        await rm(dataOn(first, "slow"));
        await bring(world, { ...broken, withinMs: amplyMs });
        const events: JournalEvent[] = [];
        const written: Promise<void>[] = [];
        const back = await world.reconcile({
          onEvent: (event) => {
            events.push(event);
            if (event.kind === "step-started" && event.step === "switch.1") written.push(writeFile(entries, "later"));
          },
        });
        assertOutcomes(back, "rolled-back");
        await Promise.all(written);
        const taken = events.find((event) => event.kind === "restore-point-taken");
        assert.ok(taken?.kind === "restore-point-taken");
        assert.deepEqual(
          taken.point.parts.map(({ host, component, version }) => [host, component, version]),
          [
            [first.name, "database", "1"],
            [second.name, "cache", "1"],
          ],
        );
        assert.deepEqual(await readFile(settings), Buffer.from([0, 255, 10, 13]));
        assert.equal(await readFile(rows, "utf8"), "rows of 1");
        assert.equal(await readFile(entries, "utf8"), "entries of 1");
      });
    }),
);

function dataOn(host: LabHost, name: string): string {
  return host.pathOf(join(host.prefix, "srv/cutover/data", name));
}

function kindsOf(events: readonly JournalEvent[], prefix: string): string[] {
  return events.flatMap(({ kind }) => (kind.startsWith(prefix) ? kind.slice(prefix.length) : []));
}

interface Brought {
  readonly version: string;
  readonly convert: string;
  /** Of the restore point. */
  readonly withinMs: number;
}

async function bring(world: Home, { version, convert, withinMs }: Brought): Promise<void> {
  for (const [contract, bundle] of [
    [database, tasksOf(convert)],
    [cache, undefined],
  ] as const) {
    const tree = join(world.directory, contract.name, version);
    await write(tree, { version });
    const tasks = join(world.directory, "tasks", version);
    if (bundle !== undefined) await write(tasks, bundle);
    await world.publish(contract, version, tree, bundle === undefined ? undefined : tasks);
  }
  await world.push({
    "release.yaml": {
      ...{ apiVersion: "cutover/v1", kind: "Release", name: "shop", rollback_policy: "release" },
      components: [
        { name: "database", version },
        { name: "cache", version, depends_on: ["database"] },
      ],
      restore_point: { components: ["database", "cache"], within_ms: withinMs },
    },
  });
}

async function write(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text, { mode: 0o755 });
}
