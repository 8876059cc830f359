// Who comes for a way back while another one is on it waits for that one, whatever he reads of him meanwhile (P8).
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { findProcess } from "../../src/lab/processes.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { commit, switchTo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { endWatcher } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: P8: who waits for another's way back is not misled by a record that is being written`, () =>
      withBusyWayBack(shell, async ({ host, worker, mark, record, end }) => {
        const second = comesSecond(host);
        await second.sees(worker);
        await second.minuteLater();
        await writeFile(record, "");
        await delay(1_000);
        // Whoever goes the way back says so there first.
        assert.deepEqual([await textOf(record), isAlive(worker)], ["", true], "it went on, or ended who is at work");
        await mark(worker);
        await second.clockIsRight();
        await end();
        assert.deepEqual(await second.result, { exitCode: 0, stdout: "" });
        assert.equal(await host.trial(), "reverted");
      }));

    test(`${name}: P8: a way back that takes over from another one has all of its time`, () =>
      withBusyWayBack(shell, async ({ host, worker, mark, record, end }) => {
        const second = comesSecond(host);
        await second.sees(worker);
        await second.minuteLater();
        const next = spawn("sleep", ["600"]);
        try {
          await mark(next);
          await second.sees(next);
          await second.minuteLater();
          await delay(1_000);
          assert.match(await textOf(record), new RegExp(`^${next.pid} `), "it went on");
          assert.ok(isAlive(next), "it has ended who is at work");
        } finally {
          next.kill("SIGKILL");
        }
        await second.clockIsRight();
        await end();
        assert.deepEqual(await second.result, { exitCode: 0, stdout: "" });
        assert.equal(await host.trial(), "reverted");
      }));
  });
}

const isAlive = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;

/** Who comes while another one is at work, with a clock that goes a minute ahead whenever the test says so. */
function comesSecond(host: PartsHost) {
  const [seen, later] = [join(host.base, "seen"), join(host.base, "later")];
  const clock = `uptime_cs() {
    read -r up_ _ </proc/uptime
    UPTIME_CS=$((\${up_%.*} * 100))
    for minute_ in ${later}*; do [ ! -e "$minute_" ] || UPTIME_CS=$((UPTIME_CS + 6000)); done
    echo "\${worker_pid_-} " >${seen}.new && mv ${seen}.new ${seen}
  }`;
  let minutes = 0;
  const result = host.word("call", "eval", `${clock}; trial_revert web second armed || echo "$WHY: $EVIDENCE"`);
  return {
    result,
    sees: ({ pid }: ChildProcess) =>
      until("it to see who is at work", 10_000, async () => (await textOf(seen)).startsWith(`${pid} `)),
    minuteLater: () => writeFile(`${later}${minutes++}`, ""),
    /** What it starts is looked at by the real one. */
    clockIsRight: async () => {
      for (let minute = 0; minute < minutes; minute++) await rm(`${later}${minute}`);
    },
  };
}

interface BusyWayBack {
  readonly host: PartsHost;
  /** Holds the lock of the component, and stands in the record. */
  readonly worker: ChildProcess;
  readonly record: string;
  /** Writes into the record that this one goes the way back. */
  mark(who: ChildProcess): Promise<void>;
  /** It ends, and with it its lock. */
  end(): Promise<void>;
}

async function withBusyWayBack(shell: readonly string[], body: (busy: BusyWayBack) => Promise<void>): Promise<void> {
  await withPartsHost(shell, async (host) => {
    for (const version of ["v1", "v2"]) await host.installService(version);
    await commit(host, "v1");
    assert.equal((await switchTo(host, "v2")).exitCode, 0);
    await endWatcher(host);
    assert.equal((await host.word("call", "eval", "trial_move web armed reverting")).exitCode, 0);
    const component = join(host.state, "components/web");
    const record = join(component, "trial/reverting/worker");
    const held = join(host.base, "held");
    const worker = spawn("sh", [
      "-c",
      'exec 6>>"$1"; flock 6; : >"$2"; exec sleep 600',
      "sh",
      join(component, "lock"),
      held,
    ]);
    const exited = once(worker, "exit");
    const mark = async ({ pid = 0 }: ChildProcess) => {
      await writeFile(`${record}.new`, `${pid} ${findProcess(pid)?.startTime ?? ""} revert\n`);
      await rename(`${record}.new`, record);
    };
    const end = async () => {
      worker.kill("SIGKILL");
      await exited;
    };
    try {
      await until("the lock", 10_000, async () => existsSync(held));
      await mark(worker);
      await body({ host, worker, record, mark, end });
    } finally {
      worker.kill("SIGKILL");
    }
  });
}

const textOf = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
