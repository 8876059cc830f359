// Tasks of a balancer: the signed contract names what runs, the controller only which host it is about, name and address and no more.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: R20: a task is told which host it is about, and remembers each by itself`, () =>
      withPartsHost(shell, async (host) => {
        const says =
          '#!/bin/sh\nset +u\necho "$CUTOVER_ACTION" "$CUTOVER_TARGET_HOST" "$CUTOVER_TARGET_ADDRESS"\n: >"$CUTOVER_STATE/seen"\n';
        await host.install("v1", { bundle: { says }, contract: { "task.pool.do": "says", "task.pool.undo": "says" } });
        const said = async (action: "do" | "undo", options: Record<string, string>) => {
          const { exitCode, evidence } = await host.task("hook", action, {
            version: "v1",
            run: "r1",
            options: { name: "pool", ...options },
          });
          assert.equal(exitCode, 0, evidence);
          return evidence.trim();
        };
        assert.equal(await said("do", { target: "web-1", "target-address": "10.0.0.1" }), "do web-1 10.0.0.1");
        assert.equal(await said("undo", { target: "web-2", "target-address": "fd00::2" }), "undo web-2 fd00::2");
        assert.equal(await said("do", {}), "do");
        const kept = await readdir(join(host.state, "components/web/tasks/r1"));
        assert.deepEqual(kept.filter((file) => !file.startsWith(".")).sort(), ["pool", "pool.web-1", "pool.web-2"]);
      }));

    test(`${name}: R20: strategy balancer replaces a version as restart does`, () =>
      withPartsHost(shell, async (host) => {
        const contract = {
          "switch.strategy": "balancer",
          "switch.balancer.component": "pool",
          "switch.balancer.task": "out",
        };
        for (const version of ["v1", "v2"]) await host.installService(version, {}, contract);
        const moved = async (version: string, run: string) => {
          const { exitCode, evidence } = await host.task("switch", "do", { version, run });
          assert.equal(exitCode, 0, evidence);
          return evidence;
        };
        await moved("v1", "r1");
        for (const [kind, session] of [
          ["confirm", "b"],
          ["commit", "b"],
        ] as const)
          assert.equal((await host.task(kind, "do", { version: "v1", run: "r1", session })).exitCode, 0, kind);
        assert.match(await moved("v2", "r2"), /^old-pid=(\d+) new-pid=(?!\1 )\d+ from=v1 to=v2/);
        const back = await host.task("switch", "undo", { version: "v2", run: "r2", options: { reason: "failed" } });
        assert.match(back.evidence, /^current=v1 was=v2[\s\S]*new-pid=\d+ from=v2 to=v1/m);
      }));
  });
}
