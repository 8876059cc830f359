// What an operator does at 3 am: a roll-out goes wrong while `cutover serve` is in the middle of it, and they type `cutover rollback`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "../../src/lab/run-program.ts";
import { listenElsewhere, main, spawnServe } from "../support/spawn-serve.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

test(
  "a rollback typed while serve rolls out is taken over by serve, goes back everywhere, and serve lives on (R14, P5)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(lab, async (world) => {
        await world.publishWeb("1.0.0");
        await world.publishWeb("2.0.0");
        await world.pushWeb("1.0.0");
        await world.reconcile();
        await world.push({
          "policy.yaml": { apiVersion: "cutover/v1", kind: "Policy", name: "default", canaries: 1, soakSeconds: 600 },
        });
        await listenElsewhere(world.config);
        const serve = spawnServe(world.config);
        try {
          await world.pushWeb("2.0.0");
          // The canary took it, and the run watches it for ten minutes.
          await until("the canary's confirm", 60_000, async () =>
            serve.events.some((event) => event.kind === "host-ended" && event.step === "confirm.1"),
          );
          const said = await runProgram(
            [process.execPath, main, "-c", world.config, "rollback", "--reason", "wrong prices", "--json"],
            { timeoutMs: 300_000 },
          );
          assert.equal(said.exitCode, 0, said.stdout + said.stderr);
          for (const host of lab.hosts) assert.deepEqual(await world.ask(host), { status: 200, body: "1.0.0" });
          assert.equal(serve.exitCode(), null, "serve still runs");
          const quarantined = serve.events.length;
          assert.ok(quarantined > 0);
          const status = await runProgram([process.execPath, main, "-c", world.config, "status"]);
          assert.match(status.stdout, /quarantined web 2\.0\.0/);
          assert.match(status.stdout, /wrong prices/);
        } finally {
          await serve.stop();
        }
      }),
    ),
);
