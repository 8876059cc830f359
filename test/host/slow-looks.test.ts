// On a busy host one look at what runs takes longer than a second, and what is looked for moves on meanwhile: that is no death.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";

/** What is there at each look, the last one for ever. */
type Life = readonly string[];

/** Gives the reason of `wait` and how often it looked, on a host where `centiseconds` pass from one round to the next. */
async function waited(
  host: PartsHost,
  wait: string,
  { life, centiseconds }: { readonly life: Life; readonly centiseconds: number },
): Promise<[reason: string, looks: number]> {
  const world = `contract_value() { VALUE=30; }; still_decided() { :; }; manager_status_evidence() { :; }; nap() { :; }
    now=0; uptime_cs() { now=$((now + ${centiseconds})); UPTIME_CS=$now; }
    look() { echo >>"$STATE/looks"; is=$(sed -n "$(wc -l <"$STATE/looks")p" "$STATE/life"); is=\${is:-${life.at(-1)}}; }
    ${wait}
    wc -l <"$STATE/looks"`;
  await writeFile(join(host.state, "life"), `${life.join("\n")}\n`);
  await rm(join(host.state, "looks"), { force: true });
  const { stdout } = await host.word("call", "eval", world);
  const [reason = "", looks] = stdout.split("\n");
  return [reason, Number(looks)];
}

/** Each round looks twice: among the children of the asked master, and in the pid files. */
const signalWait = `has_pending_signal() { return 1; }; find_stat() { STAT_FIELDS="S 1"; }
  signal_booting() { look; [ "$is" != boots ] || echo 42; }
  signal_successor() { look; SUCCESSOR=$ASKED; case $is in master | serves) SUCCESSOR=42 ;; *) return 1 ;; esac; }
  signal_serves() { [ "$is" = serves ]; }
  ASKED=41; if signal_wait v2; then WHY=ready; fi; echo "$WHY"`;

/** The asked process has ended. Each round looks twice: for the main process, and whether anything is left. */
const execWait = `strategy_is() { [ "$1" = exec ]; }; exec_strays() { :; }; exec_runs() { :; }; reuseport_has_failed() { return 1; }
  manager_main_pid() { look; [ "$is" = serves ] && echo 42; }
  exec_none_left() { look; [ "$is" = none ]; }
  swap_old_=41 swap_tick_=0; if exec_wait v2; then WHY=ready; fi; echo "$WHY"`;

const reloadWorkers = `children_of() { grep -q childless "$STATE/life" || echo 42; }; any_accepts() { look; [ "$is" = accepts ]; }
  reload_main_=41; if reload_has_workers; then echo workers; else echo none; fi`;

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, () => {
    test(`${name}: P7: signal: a new master is dead only when three rounds found nobody, and a second has gone by`, () =>
      withPartsHost(shell, async (host) => {
        const after = (life: Life, centiseconds: number) => waited(host, signalWait, { life, centiseconds });
        assert.deepEqual(await after(["boots", "master", "master", "serves"], 150), ["ready", 4], "named meanwhile");
        assert.deepEqual(await after(["none", "none", "none", "none", "boots", "serves"], 500), ["ready", 6]);
        assert.deepEqual(await after(["boots", "boots", "none"], 150), ["new-version-died", 8]);
        assert.deepEqual(await after(["none"], 10), ["new-version-died", 20], "a second of short rounds");
        assert.deepEqual(await after(["boots"], 150), ["not-ready", 40]);
      }));

    test(`${name}: P7: signal: a master that has not looked at its signal yet, or is at work, may still start its successor`, () =>
      withPartsHost(shell, async (host) => {
        const after = (master: string): Promise<[reason: string, looks: number]> =>
          waited(host, signalWait.replace(/^has.*$/m, master), { life: ["none"], centiseconds: 150 });
        assert.deepEqual(await after("has_pending_signal() { :; }"), ["not-ready", 40]);
        const states = { R: "not-ready", D: "not-ready", S: "new-version-died", Z: "new-version-died" };
        for (const [state, reason] of Object.entries(states)) {
          const [told] = await after(`has_pending_signal() { return 1; }; find_stat() { STAT_FIELDS="${state} 1"; }`);
          assert.equal(told, reason, state);
        }
        const [gone] = await after(`has_pending_signal() { return 1; }; find_stat() { return 1; }`);
        assert.equal(gone, "new-version-died");
      }));

    test(`${name}: P7: exec: nothing is left only when three rounds found nothing, and a second has gone by`, () =>
      withPartsHost(shell, async (host) => {
        const after = (life: Life, centiseconds: number) => waited(host, execWait, { life, centiseconds });
        assert.deepEqual(await after(["starts", "none", "starts", "starts", "serves"], 150), ["ready", 5]);
        assert.deepEqual(await after(["none", "none", "none", "none", "starts", "starts", "none"], 150), [
          "new-version-died",
          12,
        ]);
        assert.deepEqual(await after(["none"], 150), ["new-version-died", 6]);
        assert.deepEqual(await after(["none"], 10), ["new-version-died", 20], "a second of short rounds");
        assert.deepEqual((await after(["starts"], 150))[0], "not-ready");
      }));

    test(`${name}: P7: reload: children are no workers only when three looks saw none accept, and a second has gone by`, () =>
      withPartsHost(shell, async (host) => {
        const after = (life: Life, centiseconds: number) => waited(host, reloadWorkers, { life, centiseconds });
        assert.deepEqual(await after(["busy", "busy", "accepts"], 150), ["workers", 3]);
        assert.deepEqual(await after(["busy"], 150), ["none", 3]);
        assert.deepEqual(await after(["busy"], 10), ["none", 10]);
        assert.deepEqual(await after(["childless"], 150), ["none", 1]);
      }));
  });
}
