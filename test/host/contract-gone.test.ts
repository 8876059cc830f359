// The contract of the version on trial vanished from its host. What it goes back to is whole, so it goes back all the same (P8).
import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { ask } from "../support/asking-clients.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { serviceProcesses } from "../support/live-processes.ts";
import { commit, switchTo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const release = (host: PartsHost, version: string) => join(host.state, "components/web/releases", version);

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: P8: at the deadline the old version serves again, by one process, though the contract of the new one is gone`, () =>
      withPartsHost(shell, async (host) => {
        for (const version of ["v1", "v2"]) await host.installService(version);
        await commit(host, "v1");
        const switched = await switchTo(host, "v2");
        assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
        await rename(release(host, "v2"), `${release(host, "v2")}.gone`);
        await deadlineComes(host);
        await until("the way back", 15_000, async () => (await host.trial()) === "reverted");
        assert.deepEqual([await host.current(), await ask(host.port)], ["v1", "v1"]);
        assert.deepEqual(await serviceProcesses(host), [await host.pid()]);
      }));

    test(`${name}: P8: a first version whose contract is gone has nothing to go back to, says so, and goes when it is there again`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        assert.equal((await switchTo(host, "v1")).exitCode, 0);
        await rename(release(host, "v1"), `${release(host, "v1")}.gone`);
        const said = await host.word("call", "eval", 'trial_revert web test armed || echo "$WHY: $EVIDENCE"');
        assert.match(
          said.stdout,
          /^way-back-missing: the contract of v1 is gone, and there is none of a version before it/,
        );
        assert.deepEqual([said.exitCode, await host.trial()], [0, "reverting"]);
        await rename(`${release(host, "v1")}.gone`, release(host, "v1"));
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.deepEqual([await host.trial(), await host.current()], ["reverted", undefined]);
        assert.deepEqual(await serviceProcesses(host), []);
      }));
  });
}
