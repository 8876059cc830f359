// On a busy host one look at what runs takes longer than a second, and what is looked for moves on meanwhile: that is no death.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";

/** What is there at each look, the last one for ever. */
type Life = readonly string[];

/** Gives the reason of `wait` and how often it looked, on a host where one look takes `centiseconds`. */
async function waited(
  host: PartsHost,
  wait: string,
  { life, centiseconds }: { readonly life: Life; readonly centiseconds: number },
): Promise<[reason: string, looks: number]> {
  const world = `contract_value() { VALUE=30; }; still_decided() { :; }; manager_status_evidence() { :; }; nap() { :; }
    contract_number() { echo 30; }; uptime_cs() { UPTIME_CS=$(($(wc -l <"$STATE/looks") * ${centiseconds})); }
    look() { echo >>"$STATE/looks"; is=$(sed -n "$(wc -l <"$STATE/looks")p" "$STATE/life"); is=\${is:-${life.at(-1)}}; }
    ${wait}
    wc -l <"$STATE/looks"`;
  await writeFile(join(host.state, "life"), `${life.join("\n")}\n`);
  await writeFile(join(host.state, "looks"), "");
  const { stdout } = await host.word("call", "eval", world);
  const [reason = "", looks] = stdout.split("\n");
  return [reason, Number(looks)];
}

/** Each round looks twice: among the children of the asked master, and in the pid files. */
const signalWait = `has_pending_signal() { return 1; }; same_process() { STAT_FIELDS="S 1"; }
  signal_booting() { look; [ "$is" != boots ] || echo 42; }
  signal_successor() { look; SUCCESSOR=$ASKED; case $is in master | serves) SUCCESSOR=42 ;; *) return 1 ;; esac; }
  signal_serves() { [ "$is" = serves ]; }
  ASKED=41 ASKED_BORN=0; if signal_wait v2; then WHY=ready; fi; echo "$WHY"`;

/** The asked process has ended. Each round looks twice: for the main process, and whether anything is left. */
const execWait = `strategy_is() { [ "$1" = exec ]; }; exec_strays() { :; }; exec_runs() { :; }; reuseport_has_failed() { return 1; }
  manager_main_pid() { look; [ "$is" = serves ] && echo 42; }
  exec_none_left() { look; [ "$is" = none ]; }
  swap_old_=41 swap_tick_=0; if exec_wait v2; then WHY=ready; fi; echo "$WHY"`;

/** A successor was seen. Each round looks three times: for the main process, among the children, and for what may come even so. */
const seenWait = `strategy_is() { [ "$1" = exec ]; }; exec_runs() { :; }; reuseport_has_failed() { return 1; }
  manager_main_pid() { look; [ "$is" = serves ] && echo 42; }
  exec_strays() { look; case $is in child) echo 42 ;; silent) return 2 ;; esac; }; exec_may_come() { look; [ "$is" != none ]; }
  exec_none_left() { return 1; }
  swap_old_=41 swap_tick_=0; if exec_wait v2; then WHY=ready; fi; echo "$WHY"`;

/** systemd does not answer for some looks. */
const findMain = `manager_main_pid() { look; case $is in silent) return 2 ;; none) return 1 ;; esac; echo 42; }
  if manager_find_main; then echo "runs $MAIN_PID"; elif [ $? -eq 1 ]; then echo "none $MAIN_PID"; else echo "$WHY"; fi`;

/** Each round looks at the workers, and, when none accepts, whether one holds its listener. */
const servesSoon = `signal_workers() { echo 42; }; accepts() { look; [ "$is" = accepts ]; }
  listening_of() { [ "$(sed -n "$(wc -l <"$STATE/looks")p" "$STATE/life")" = gone ] || echo 3; }
  if signal_serves_soon 41; then echo serves; else echo none; fi`;

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
        assert.deepEqual(await after(["none", "none", "none", "none", "boots", "serves"], 250), ["ready", 6]);
        const moving = ["boots", "master", "boots", "master", "boots", "master", "serves"];
        assert.deepEqual(await after(moving, 150), ["ready", 8], "the children are looked at first");
        assert.deepEqual(await after(["boots", "boots", "none"], 75), ["new-version-died", 8]);
        assert.deepEqual(await after(["none"], 5), ["new-version-died", 20], "a second of short rounds");
        assert.deepEqual(await after(["boots"], 75), ["not-ready", 42]);
        const long = ["boots", "boots", "serves"];
        assert.deepEqual(
          await after(long, 2000),
          ["ready", 4],
          "a look that began in time decides, and no earlier one",
        );
      }));

    test(`${name}: P7: signal: a master that has not looked at its signal yet, or is at work, may still start its successor`, () =>
      withPartsHost(shell, async (host) => {
        const after = (master: string): Promise<[reason: string, looks: number]> =>
          waited(host, signalWait.replace(/^has.*$/m, master), { life: ["none"], centiseconds: 150 });
        const pending = `has_pending_signal() { :; }; same_process() { STAT_FIELDS="S 1"; }`;
        assert.deepEqual(await after(pending), ["not-ready", 22]);
        const states = { R: "not-ready", D: "not-ready", S: "new-version-died", Z: "new-version-died" };
        for (const [state, reason] of Object.entries(states)) {
          const [told] = await after(
            `has_pending_signal() { return 1; }; same_process() { STAT_FIELDS="${state} 1"; }`,
          );
          assert.equal(told, reason, state);
        }
        const [gone] = await after(`has_pending_signal() { :; }; same_process() { STAT_FIELDS="R 1"; return 1; }`);
        assert.equal(gone, "new-version-died", "another process has its pid by now");
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
        assert.deepEqual(await after(["none"], 5), ["new-version-died", 22], "a second of short rounds");
        assert.deepEqual((await after(["starts"], 150))[0], "not-ready");
        const long = ["starts", "starts", "serves"];
        assert.deepEqual(
          await after(long, 2000),
          ["ready", 3],
          "a look that began in time decides, and no earlier one",
        );
      }));

    test(`${name}: P7: exec: a successor that was seen is dead only when three rounds in a row found nothing that may come of it`, () =>
      withPartsHost(shell, async (host) => {
        const after = (life: Life) => waited(host, seenWait, { life, centiseconds: 10 });
        const seen = ["child", "child"];
        const two = Array<string>(6).fill("none");
        assert.deepEqual(await after([...seen, ...two, "serves"]), ["ready", 9]);
        assert.deepEqual(await after([...seen, ...two, "none", "none", "forks", ...two, "serves"]), ["ready", 18]);
        assert.deepEqual(await after([...seen, "none"]), ["new-version-died", 11]);
        assert.equal((await after([...seen, "forks"]))[0], "not-ready");
        const silent = ["none", "silent"];
        const unknown = await after([...seen, ...two, ...silent, ...two, "serves"]);
        assert.deepEqual(unknown, ["ready", 17], "a round in which systemd does not answer finds nobody dead");
      }));

    test(`${name}: P7: what systemd does not answer is unknown, is asked again, and is never taken for nothing runs`, () =>
      withPartsHost(shell, async (host) => {
        const after = (life: Life, centiseconds: number) => waited(host, findMain, { life, centiseconds });
        assert.deepEqual(await after(["silent", "silent", "runs"], 10), ["runs 42", 3]);
        assert.deepEqual(await after(["silent", "none"], 1000), ["none ", 2]);
        assert.deepEqual(await after(["silent"], 1000), ["systemd-silent", 3]);
        assert.deepEqual(await after(["silent"], 100), ["systemd-silent", 16]);
      }));

    test(`${name}: P7: signal: workers that hold their listener and are busy get three looks and a second, those that gave it up none`, () =>
      withPartsHost(shell, async (host) => {
        const after = (life: Life, centiseconds: number) => waited(host, servesSoon, { life, centiseconds });
        assert.deepEqual(await after(["busy", "busy", "accepts"], 150), ["serves", 3]);
        assert.deepEqual(await after(["busy"], 150), ["none", 3]);
        assert.deepEqual(await after(["busy"], 10), ["none", 10]);
        assert.deepEqual(await after(["gone"], 10), ["none", 1]);
      }));

    test(`${name}: P7: reload: children are no workers only when three looks saw none accept, and a second has gone by`, () =>
      withPartsHost(shell, async (host) => {
        const after = (life: Life, centiseconds: number) => waited(host, reloadWorkers, { life, centiseconds });
        assert.deepEqual(await after(["busy", "busy", "accepts"], 150), ["workers", 3]);
        assert.deepEqual(await after(["busy"], 150), ["none", 3]);
        assert.deepEqual(await after(["busy"], 10), ["none", 10]);
        assert.deepEqual(await after(["childless"], 150), ["none", 3]);
        assert.deepEqual(await after(["childless"], 1), ["none", 3]);
      }));
  });
}
