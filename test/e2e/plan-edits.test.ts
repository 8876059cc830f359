// People edit a plan before and while it runs: a part of it ahead, a gate behind the canary, a host on hold; by command, on
// real hosts (R29, R36).
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentOf } from "../support/current-of.ts";
import { cutoverHere } from "../support/cutover-command.ts";
import { listenElsewhere, spawnServe } from "../support/spawn-serve.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { type World, withWorld } from "../support/with-world.ts";

const filesOnly = { manager: "none", switch: { strategy: "none" }, health: [], env: {}, deadlineSeconds: 120 };

test(
  "a slice brings bytes and checks ahead; the run waits at its gate behind the canary until somebody opens it beside serve; a hold holds",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(3, (lab) =>
      withWorld(
        lab,
        async (world) => {
          const cutover = cutoverHere(world);
          const [first = "", second = "", third = ""] = lab.hosts.map(({ name }) => name);
          for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
          await world.pushWeb("1.0.0");
          await world.reconcile();
          const edits = [
            { kind: "gate", name: "look", afterBatch: 1, reason: "someone looks at the graphs" },
            { kind: "hold", host: third, reason: "its disk is being replaced" },
          ];
          await world.push({ "edits.yaml": { apiVersion: "cutover/v1", kind: "PlanEdit", name: "november", release: "web", edits } }); // biome-ignore format: one line
          await world.pushWeb("2.0.0");

          const shown = (await cutover(2, "plan", "--slice", "task=check")).text;
          assert.match(shown, /slice task=check of plan sha256:/);
          assert.match(shown, /edited by hand/);
          assert.match(shown, /next: cutover reconcile --once --slice 'task=check'/);
          const checked = (await cutover(2, "reconcile", "--once", "--slice", "task=check")).text;
          assert.match(checked, /done: 2 of 2 hosts went through this slice/);
          const part = /run (r\S+) for commit/.exec(checked)?.[1] ?? "";
          assert.match((await cutover(0, "plan", "--run", part)).text, /: done \(every host went through this slice\)/);
          assert.deepEqual(await currents(world), ["1.0.0", "1.0.0", "1.0.0"], "the switch is not part of it (R9)");
          const rest = /web: Reconciling \(Pending\): the slice task=check is done, the rest is still to come/;
          assert.match((await cutover(2, "status")).text, rest);
          await cutover(2, "plan");
          await cutover(64, "plan", "--slice", "plase=check");

          const waits = (await cutover(2, "reconcile", "--once")).text;
          assert.match(waits, /waits at gate look: someone looks at the graphs/);
          assert.deepEqual(await currents(world), ["2.0.0", "1.0.0", "1.0.0"]);
          assert.match((await cutover(2, "status")).text, /gate look: run r\S+ of web waits since/);
          assert.match(
            (await cutover(2, "plan")).text,
            /web has an open run \(GateClosed\): run \S+ waits at gate look/,
          );

          await listenElsewhere(world.config);
          const serve = spawnServe(world.config);
          try {
            await cutover(0, "gate", "open", "web", "look", "--reason", "graphs are flat");
            await until("the run's end", 60_000, async () =>
              serve.events.some((event) => event.kind === "run-ended" && event.outcome === "done"),
            );
            assert.deepEqual(await currents(world), ["2.0.0", "2.0.0", "1.0.0"]);
            const opened = serve.events.find((event) => event.kind === "step-started" && event.step === "switch.2");
            assert.ok(opened, `${second} went after ${first}`);
          } finally {
            await serve.stop();
          }
          assert.match((await cutover(0, "gate", "list")).text, /no run waits/);
          assert.match((await cutover(4, "status")).text, /plan edit november: its disk is being replaced/);
        },
        filesOnly,
      ),
    ),
);

async function currents(world: World): Promise<string[]> {
  return Promise.all(world.lab.hosts.map((host) => currentOf(host, "/srv/cutover/web")));
}
