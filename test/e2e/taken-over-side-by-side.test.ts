// R33, F18: a controller on another machine takes over runs that work side by side on one host. With the first of them the host has its
// epoch; a step of the other one that goes on just then is passed over there, and is no failure of its run.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import type { JournalEvent } from "../../src/model/run-event.ts";
import type { Fence } from "../../src/ports.ts";
import { listenElsewhere, type ServeChild, spawnServe } from "../support/spawn-serve.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withProjects } from "../support/with-projects.ts";

const twoOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, ["1.0.0", "2.0.0"]]));

test(
  "R33, P5, F18: of two runs at work on a host both go on, although one of them took its next task up between the two take-overs; nothing is done twice",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(1, (lab) =>
      withProjects(lab, { versions: twoOf(["a", "c", "d"]) }, async (world) => {
        const [host] = lab.hosts;
        assert.ok(host);
        const push = (version: string) =>
          world.push({
            "one.yaml": world.project("one", { a: version }),
            "two.yaml": world.project("two", { c: version, d: version }, { d: ["c"] }),
          });
        await world.openGates(["a", "c", "d"]);
        await push("1.0.0");
        await world.reconcile();
        await world.closeGates(["a", "c"]);
        await listenElsewhere(world.config);
        const serve = spawnServe(world.config);
        try {
          await push("2.0.0");
          await until("both runs to be in the middle of a switch", 60_000, async () => {
            const seen = await Promise.all(["a", "c"].map((component) => world.looked(host, component)));
            return seen.every((versions) => versions.includes("2.0.0"));
          });
        } finally {
          await serve.kill();
        }
        const [one, two] = [runOf(serve, "one"), runOf(serve, "two")];
        await writeFile(world.config, `holder: elsewhere\n${await readFile(world.config, "utf8")}`);
        const ended = host.pathOf(`${host.stateDirectory}/runs/${two}/switch.1/result`);
        let isTaken = false;
        /** The second run comes once the host has gone on with it, for the writer that it does not know yet. */
        const between = async ({ run }: Fence) => {
          if (run === one) return;
          await until("the first run to be taken over", 60_000, async () => isTaken);
          await world.openGates(["a", "c"]);
          await until("the second run's step to end", 60_000, async () => existsSync(ended));
        };
        const events: JournalEvent[] = [];
        const { resumed } = await world.reconcile({
          takeOver: true,
          onEvent: (event) => events.push(event),
          wrapExecutor: (executor) => ({
            ...executor,
            async submit(to, step, groups, fence) {
              await between(fence);
              await executor.submit(to, step, groups, fence);
              isTaken ||= fence.run === one;
            },
          }),
        });
        const said = events.flatMap((event) => (event.kind === "task" && event.stream === `run/${two}` ? [event.event] : [])); // biome-ignore format: one line
        assert.deepEqual(said.filter(({ reason }) => reason === "stale-epoch").map(({ task, state }) => `${task} ${state}`), [`${host.name}/d/switch skipped`, `${host.name}/d/health skipped`]); // biome-ignore format: one line
        assert.deepEqual(resumed.map(({ state }) => `${state.plan?.release} ${state.outcome} ${state.rollback?.reason ?? ""}`), ["one done ", "two done "]); // biome-ignore format: one line
        for (const component of ["a", "c", "d"])
          assert.deepEqual(await world.looked(host, component), ["1.0.0", "2.0.0"], component);
      }),
    ),
);

function runOf({ events }: ServeChild, release: string): string {
  const planned = events.findLast((event) => event.kind === "run-planned" && event.plan.release === release);
  assert.ok(planned);
  return planned.stream.replace("run/", "");
}
