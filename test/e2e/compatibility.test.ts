// Whether a release can run where it is meant to: every host is asked before any of them switches (R54).
import assert from "node:assert/strict";
import { mkdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { type Home, withHome } from "../support/with-home.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { enrolment, retire } from "../support/with-world.ts";

const contractOf = (name: string, needs: object = {}) => ({
  ...{ apiVersion: "cutover/v1", kind: "Component", name, root: `/srv/cutover/${name}`, deadlineSeconds: 60, needs },
});
const releaseOf = (api: string, cache: string) => ({
  "release.yaml": {
    components: [
      { name: "api", version: api, depends_on: ["cache"] },
      { name: "cache", version: cache },
    ],
  },
});

test(
  "one host of three with an old libc is refused by name and reason before any host switches; mended, all three go; a release that breaks another component's need moves nothing (R54)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(3, (lab) =>
      withHome(lab, { contracts: [contractOf("api"), contractOf("cache")], enrolment, retire }, async (world) => {
        const [, old] = lab.hosts;
        assert.ok(old);
        const needs = { glibc: "2.17", memoryMb: 64, components: { cache: ">=7 <8" } };
        for (const version of ["6.9.0", "7.1.0"]) await publish(world, contractOf("cache"), version);
        await publish(world, contractOf("api"), "1.0.0");
        await publish(world, contractOf("api", needs), "2.0.0");
        await world.push(releaseOf("1.0.0", "7.1.0"));
        assertOutcomes(await world.reconcile(), "done");

        const mend = await withOldLibc(old, world.directory);
        await world.push(releaseOf("2.0.0", "7.1.0"));
        const events: JournalEvent[] = [];
        assertOutcomes(await world.reconcile({ onEvent: (event) => events.push(event) }), "stuck");
        const tasks = events.flatMap((event) => (event.kind === "task" ? [event.event] : []));
        assert.deepEqual(
          tasks.filter(({ state }) => state === "failed").map(({ task, reason, evidence }) => [task, reason, evidence]),
          [[`${old.name}/api/check`, "needs-missing", "glibc 2.12 found, 2.17 needed"]],
        );
        const checked = tasks.filter(({ task, state }) => task.endsWith("/api/check") && state === "done");
        assert.equal(checked.length, 2, "the others were asked as well");
        assert.deepEqual(
          tasks.filter(({ task }) => /\/(switch|drain|backup)$/.test(task)),
          [],
        );
        assert.deepEqual(await current(lab.hosts, "api"), ["1.0.0", "1.0.0", "1.0.0"]);

        await mend();
        assertOutcomes(await world.reconcile(), "done");
        assert.deepEqual(await current(lab.hosts, "api"), ["2.0.0", "2.0.0", "2.0.0"]);

        await world.push(releaseOf("2.0.0", "6.9.0"));
        const { results } = await world.reconcile();
        assert.deepEqual(
          results.map(({ outcome, error }) => [outcome, error?.code, error?.evidence]),
          [
            [
              "stalled",
              "needs-not-met",
              `${lab.hosts.map(({ name }) => name).join(", ")}: api 2.0.0 needs cache ">=7 <8" on the same host, and 6.9.0 is wanted there`,
            ],
          ],
        );
        assert.deepEqual(await current(lab.hosts, "cache"), ["7.1.0", "7.1.0", "7.1.0"]);
      }),
    ),
);

async function publish(world: Home, contract: ReturnType<typeof contractOf>, version: string): Promise<void> {
  const tree = join(world.directory, "trees", contract.name, version);
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "version"), version);
  await world.publish(contract, version, tree);
}

/** What a host says of its libc comes from `getconf`: this one gets another, first on the path that its stub sets. Returns the way back. */
async function withOldLibc(host: LabHost, directory: string): Promise<() => Promise<void>> {
  const programs = join(directory, "old-programs");
  await mkdir(programs);
  await writeFile(join(programs, "getconf"), "#!/bin/sh\necho glibc 2.12\n", { mode: 0o755 });
  const stub = host.pathOf(join(host.stateDirectory, "stub"));
  const text = await readFile(stub, "utf8");
  assert.match(text, / PATH=\//);
  await writeFile(stub, text.replace(" PATH=", ` PATH=${programs}:`));
  return () => writeFile(stub, text);
}

function current(hosts: readonly LabHost[], component: string): Promise<string[]> {
  const link = (host: LabHost) => readlink(host.pathOf(`${host.prefix}/srv/cutover/${component}/current`));
  return Promise.all(hosts.map(async (host) => (await link(host)).replace("versions/", "")));
}
