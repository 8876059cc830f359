// Two that decide about one trial at the same time: one outcome, which both know.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { heldAt, insertedAt } from "../support/killed-at.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes, endWatcher } from "../support/trial-clock.ts";
import { confirm, deadlineMs, switchTo, twoVersions, uptimeMs } from "../support/trial-steps.ts";
import { until } from "../support/until.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: P8: probation that is over before its confirm is done ends with revert all the same`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host, { "probation.seconds": "1", "probation.at-end": "revert" });
        await switchTo(host, "v2");
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, insertedAt(whole, ["confirm_armed", "\ttrial_move"], "sleep 3"));
        assert.equal((await confirm(host, "v2")).exitCode, 0);
        await until("the end of probation", 10_000, async () => (await host.trial()) === "reverted");
        assert.deepEqual([await host.trialFile("outcome"), await host.current()], ["reason probation\n", "v1"]);
      }));

    test(`${name}: P8: an undo lets a way back finish that began while the undo waited for a switch that was killed`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await switchTo(host, "v2");
        await endWatcher(host);
        const whole = await readFile(host.script, "utf8");
        const [locked, waits, ends] = ["locked", "waits", "ends"].map((file) => join(host.base, file)) as [string, string, string]; // biome-ignore format: one line
        const endsAs = (who: string, script: string) =>
          insertedAt(script, ["trial_way_back", '\ttrial_move "$1" reverting'], `echo ${who} >>${ends}`);
        // It has the lock and does not say so before the undo has looked; then it takes its time.
        const held = heldAt(whole, ["trial_revert", '\t[ -d "$revert_dir_" ]'], { at: locked, until: waits });
        const slow = insertedAt(held, ["trial_way_back", "\tback_since_="], "sleep 4");
        await writeFile(host.script, endsAs("the host", slow));
        const first = host.word("call", "eval", 'trial_revert web deadline armed; echo "$?"');
        await until("the lock", 10_000, async () => existsSync(locked));
        const looks = insertedAt(whole, ["worker_end", "\t\tnap"], `: >${waits}`);
        await writeFile(host.script, endsAs("the undo", looks));
        const second = await host.task("switch", "undo", { version: "v2" });
        assert.deepEqual([(await first).stdout, second.exitCode], ["0\n", 0], `${second.reason} ${second.evidence}`);
        assert.equal(await readFile(ends, "utf8"), "the host\n");
        assert.match(second.evidence, /current=v1 was=v2 reason=deadline/);
      }));
  });
}

for (const [index, shell] of shells.entries()) {
  test(`${shell.join(" ")}: F13: confirm against the deadline, ±50 ms, 21 rounds over all shells: one outcome, and both agree`, () =>
    withPartsHost(shell, async (host) => {
      const offsets = [-110, -95, -80, -65, -50, -35, 20].map((offset) => offset + index * 5);
      const outcomes = await Promise.all(
        offsets.map(async (offset, at) => {
          const component = `web-${at}`;
          const call = { component, version: "v1" };
          await host.install("v1", { component });
          assert.equal((await host.task("switch", "do", call)).exitCode, 0);
          await deadlineComes(host, { component, inMs: 2000 });
          await delay(Math.max(0, (await deadlineMs(host, component)) - (await uptimeMs()) + offset));
          const reply = await host.task("confirm", "do", { ...call, session: "session-2" });
          await until("a decision", 4000, async () => ["confirmed", "reverted"].includes(await host.trial(component)));
          const state = await host.trial(component);
          assert.equal(
            state,
            reply.exitCode === 0 ? "confirmed" : "reverted",
            `${offset} ms: ${reply.reason} ${reply.evidence}`,
          );
          assert.equal(await host.current(component), state === "confirmed" ? "v1" : undefined);
          return state;
        }),
      );
      assert.equal(outcomes.length, offsets.length);
    }));
}
