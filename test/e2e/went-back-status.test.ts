// A host whose trial nobody confirms goes back by itself while its run stands still: what the status says of it then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cutoverHere } from "../support/cutover-command.ts";
import { stepUntil } from "../support/step-until.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

const filesOnly = { manager: "none", switch: { strategy: "none" }, health: [], env: {}, deadlineSeconds: 600 };

test(
  "P8: a host that went back by itself at its deadline is told of as rolled back, with the deadline as the reason",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(3, (lab) =>
      withWorld(
        lab,
        async (world) => {
          const cutover = cutoverHere(world);
          const [, second, third] = lab.hosts;
          assert.ok(second && third);
          await world.publishWeb("1.0.0");
          await world.pushWeb("1.0.0");
          await cutover(0, "reconcile", "--once");
          await world.publishWeb("2.0.0");
          await world.pushWeb("2.0.0");
          await stepUntil(world, `${second.name}/web/switch`);
          await deadlineComes({ state: second.stateDirectory });
          const current = () => second.run(["readlink", `${second.prefix}/srv/cutover/web/current`]);
          await until("the way back", 180_000, async () => (await current()).stdout.includes("1.0.0"));
          await stepUntil(world, `${third.name}/web/switch`);
          const { releases } = JSON.parse((await cutover(2, "status", "--json")).stdout);
          const targets: { host: string; outcome: string; detail?: string }[] = releases[0].targets;
          const found = targets.find(({ host }) => host === "host-2");
          assert.deepEqual(
            [found?.outcome, found?.detail],
            ["rolled-back", "2.0.0 was not confirmed before its deadline; it went back to 1.0.0 by itself"],
          );
          assert.match((await cutover(2, "status")).text, /^next: cutover step/m);
        },
        filesOnly,
      ),
    ),
);
