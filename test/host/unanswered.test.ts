// What is asked of systemd and not answered is unknown: nobody is stopped, stopped for a moment, or told to have served, over that. The
// functions themselves, with a systemd that keeps silent; silent-systemd.test.ts has whole switches.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { textOf } from "../support/live-processes.ts";
import { inTurn } from "../support/shells.ts";

/** Five seconds pass from one look to the next. */
const clock = `now=0; uptime_cs() { now=$((now + 500)); UPTIME_CS=$now; }; nap() { :; }; CONTRACT=/dev/null; TRIAL=$STATE; T_COMPONENT=web; FROM=v1 TO=v2;`;

async function said(host: PartsHost, words: string): Promise<string> {
  return (await host.word("call", "eval", `${clock} ${words}`)).stdout.trim();
}

for (const shell of shells) {
  const name = shell.join(" ");
  const test = inTurn(name);
  test(`${name}: P8: takeover: a way back is over only when the old process serves again, not when that is unknown`, () =>
    withPartsHost(shell, async (host) => {
      const back = (why: string): Promise<string> =>
        said(
          host,
          `exec_end_strays() { :; }; takeover_unasked() { return 1; }; exec_swap() { echo swapped; }
          exec_end_old() { WHY=${why}; return 1; }; if takeover_way_back; then echo over; else echo "not $WHY"; fi`,
        );
      assert.equal(await back("new-version-died"), "over");
      assert.equal(await back("systemd-silent"), "not systemd-silent");
    }));

  test(`${name}: P11: takeover: a process of which nobody says whether it serves is not held`, () =>
    withPartsHost(shell, async (host) => {
      const serving = spawn("sleep", ["600"], { stdio: "ignore" });
      const ended = once(serving, "exit");
      try {
        const end = (main: string): Promise<string> =>
          said(
            host,
            `manager_main_pid() { ${main}; }; kill() { echo "kill $*"; command kill "$@"; }
            find_born ${serving.pid}; takeover_end_stray ${serving.pid} "$BORN"`,
          );
        assert.equal(await end("return 2"), "");
        assert.equal(await end(`echo ${serving.pid}`), "");
        assert.match(textOf(`/proc/${serving.pid}/stat`), /\) [RS] /);
        // Unknown only when it has been stopped: it goes on, and is asked for again.
        const later = `n=$(($(cat "$STATE/n" 2>/dev/null || echo 0) + 1)); echo "$n" >"$STATE/n"; return $((n % 2 + 1))`;
        assert.match(await end(later), /^(kill -s STOP \d+\nkill -s CONT \d+\n?){3}$/);
        assert.match(textOf(`/proc/${serving.pid}/stat`), /\) [RS] /);
        assert.match(await end("return 1"), /^kill -s STOP \d+\nkill -s KILL /);
      } finally {
        serving.kill("SIGKILL");
        await ended;
      }
    }));

  test(`${name}: P7: what is found running, or must be stopped before data is put back, is asked for again, and unknown is refused`, () =>
    withPartsHost(shell, async (host) => {
      const looks = (...answers: number[]): string =>
        `n=0; manager_is_active() { n=$((n + 1)); set -- ${answers.join(" ")}; [ "$n" -le $# ] && eval "return \\$$n"; return 2; };`;
      const found = `if switch_found; then echo "$TRIAL_FOUND"; else echo "$WHY"; fi`;
      assert.equal(await said(host, looks(2, 0) + found), "running");
      assert.equal(await said(host, looks(2, 1) + found), "stopped");
      assert.equal(await said(host, looks() + found), "systemd-silent");
      const putBack = `backup_dir_=$STATE/point; mkdir -p "$backup_dir_"; point_contract() { :; }; strategy_stops() { :; }
        manager_stop() { echo stopped; }; backup_put_back() { echo "put back"; }; backup_mark() { :; }; point_serve() { :; }
        fail() { echo "$2"; exit "$1"; }; BACKUP_PATHS=data; T_RUN=r1; point_put_back`;
      assert.equal(await said(host, looks(2, 0) + putBack), "stopped\nput back\nrestored=data");
      assert.equal(await said(host, looks(2, 1) + putBack.replace("/point", "/other")), "put back\nrestored=data");
      assert.equal(await said(host, looks() + putBack.replace("/point", "/third")), "systemd-silent");
    }));

  test(`${name}: P8, P11: the way back to another strategy stops what serves only when it is known that it cannot be kept`, () =>
    withPartsHost(shell, async (host) => {
      const kept = (main: string, keep = 1): Promise<string> =>
        said(
          host,
          `strategy_name() { echo exec; }; manager_main_pid() { ${main}; }; strategy_unasked() { return 1; }; exec_keep_old() { return ${keep}; }
          manager_stop() { echo stopped; }; UNITS_LIVE=; trial_keep_or_stop; echo "live=$UNITS_LIVE kept=$back_kept_"`,
        );
      assert.equal(await kept("return 1"), "stopped\nlive= kept=");
      assert.equal(await kept("return 2"), "live=yes kept=");
      assert.equal(await kept("echo 42", 2), "live=yes kept=", "unknown only at a later look");
    }));

  test(`${name}: P8: a successor that cannot be told from who serves ends nobody, and the way back is not over`, () =>
    withPartsHost(shell, async (host) => {
      const ended = (strays: string, daemons = 0, main = "echo 41"): Promise<string> =>
        said(
          host,
          `end_orphans() { :; }; exec_daemons() { return ${daemons}; }; exec_strays() { [ -e "$TRIAL/stopped" ] || ${strays}; }
          find_names() { STRATEGY=exec MANAGER=systemd; }; manager_main_pid() { ${main}; }; exec_stop() { : >"$TRIAL/stopped"; echo "stops $1"; }
          same_process() { :; }; find_born() { BORN=1; }; printf 'born 1\npid 41\n' >"$TRIAL/hand-over.v2"
          rc=0; exec_keep_old || rc=$?; echo "$rc \${WHY-}"`,
        );
      assert.equal(await ended("return 2"), "2 systemd-silent");
      assert.equal(await ended(":", 2), "2 systemd-silent");
      assert.equal(await ended("echo 42", 0, "return 2"), "2 systemd-silent");
      assert.equal(await ended("echo 42"), "stops 42\n0");
    }));

  test(`${name}: the unit that serves is the contract's template, or unknown: never the unit after it`, () =>
    withPartsHost(shell, async (host) => {
      const first = (serving: string): Promise<string> =>
        said(
          host,
          `CONTRACT=$STATE/contract; printf '%s\\n' 'manager systemd' 'unit.0 web@.service' 'unit.1 worker.service' >"$CONTRACT"
          systemd_serving() { ${serving}; }; rc=0; systemd_first || rc=$?; echo "$rc \${FIRST_UNIT-}"`,
        );
      assert.equal(await first("echo web@b.service"), "0 web@b.service");
      assert.match(await first("return 1"), /^2/);
    }));
}
