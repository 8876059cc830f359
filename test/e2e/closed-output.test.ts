// `cutover reconcile | head`: whoever stops reading does not stop a roll-out, and does not make it look like another one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const endsWithinMs = 300_000;

test("a pass whose output nobody reads any more goes on to its end", { skip: loopbackSkip }, () =>
  withLoopbackLab(1, (lab) =>
    withWorld(lab, async (world) => {
      await world.publishWeb("1.0.0");
      await world.pushWeb("1.0.0");
      const run = async (...words: string[]) => {
        const child = spawn(process.execPath, [main, ...words, "-c", world.config], {
          stdio: ["ignore", "pipe", "ignore"],
        });
        child.stdout.destroy();
        const [exitCode] = await once(child, "exit", { signal: AbortSignal.timeout(endsWithinMs) });
        return exitCode as number | null;
      };
      assert.equal(await run("reconcile", "--once"), 0);
      // What only shows ends; it would redraw for nobody.
      assert.equal(await run("status", "--watch"), 0);
      assert.equal(await run("plan"), 0, "the pass had finished its work: nothing is left to change");
    }),
  ),
);
