// What an operator does at 3 am: a roll-out goes wrong while `cutover serve` is in the middle of it, and they type `cutover rollback`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/lab/loopback-lab.ts";
import { runProgram } from "../../src/lab/run-program.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

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
            { timeoutMs: 90_000 },
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

/** Whoever else serves on this machine keeps the default address. */
async function listenElsewhere(config: string): Promise<void> {
  const text = await readFile(config, "utf8");
  const port = await freePort(["127.0.0.1"]);
  await writeFile(config, text.replace(/^listen: .*$/m, `listen: 127.0.0.1:${port}`));
}

function spawnServe(config: string) {
  const child = spawn(process.execPath, [main, "-c", config, "serve", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const events: JournalEvent[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => events.push(JSON.parse(line) as JournalEvent));
  const closed = once(child, "close");
  return {
    events,
    exitCode: () => child.exitCode,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await closed.finally(() => clearTimeout(timer));
    },
  };
}
