// Names of processes are anybody's: any user of a host may call one so that it ends a line in /proc. A shell under `set -u` that took the
// first line for the whole ended there, whatever it was at.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { copyFile, mkdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { until } from "../support/until.ts";

/** Says its port once it listens, without epoll: what it sleeps in is all that tells. */
const listener = `use IO::Socket::INET; $| = 1;
my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
print $socket->sockport, "\\n"; $socket->accept;`;

/** Two names that end a line, one of them so that what follows looks like the fields of another process. */
const names = ["a\nb", "x) S 1 (\n) Z 1"];

/** A process of that name runs as one of the version v1 while `body` asks about it. */
async function beside(host: PartsHost, name: string, body: (pid: number) => Promise<void>): Promise<void> {
  const directory = join(host.base, "web/versions/v1");
  await mkdir(join(host.base, "names"), { recursive: true });
  await symlink("/usr/bin/perl", join(host.base, "names", name));
  const child = spawn(join(host.base, "names", name), ["-e", listener], {
    cwd: directory,
    env: { CUTOVER_PID_FILE: join(host.state, "components/web/pid") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(child.stdout, "data");
    assert.ok(child.pid);
    const stat = `/proc/${child.pid}/stat`;
    await until("it to wait for clients", 5000, async () => /\) S \d+ \d+ [^)]*$/.test(readFileSync(stat, "latin1")));
    await body(child.pid);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

/** `sleep` as a program at that path, until `body` has ended. */
async function sleeper(path: string, body: (pid: number) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await copyFile("/usr/bin/sleep", path);
  const child = spawn(path, ["60"], { stdio: "ignore" });
  try {
    await once(child, "spawn");
    assert.ok(child.pid);
    await body(child.pid);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  test(`${shell.join(" ")}: P8: a process whose name ends a line is read like any other, and ends no host.sh that passes it`, () =>
    withPartsHost(shell, async (host) => {
      await host.install("v1", { contract: { manager: "process", "switch.strategy": "exec" } });
      for (const name of names)
        await beside(host, name, async (pid) => {
          const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
          assert.ok(stat.includes(`(${name})`), "the kernel gives the name as it is");
          const born = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
          const asked = `T_COMPONENT=web
load_contract web v1
clock_tick() { echo $((BORN + 1000)); }
stray_tick_=${born}
find_born ${pid} && echo "born $BORN"
echo "orphans" $(exec_orphans)
! exec_serves_elsewhere v1 ${born} || echo serves
! accepts ${pid} || echo accepts
! takeover_stopped ${pid} || echo stopped-early
kill -s STOP ${pid}
_look=0; until takeover_stopped ${pid} || [ $_look -ge 400 ]; do _look=$((_look + 1)); nap; done
! takeover_stopped ${pid} || echo stopped
! accepts ${pid} || echo stopped-accepts`;
          const said = await host.word("call", "eval", asked);
          const expected = [`born ${born}`, `orphans ${pid}`, "serves", "accepts", "stopped"];
          assert.deepEqual([said.exitCode, said.stdout.trim().split("\n")], [0, expected]);
        });
    }));

  test(`${shell.join(" ")}: P8: a process of the service is found also behind one that the kernel keeps from being read`, () =>
    withPartsHost(shell, async (host) => {
      await host.install("v1", { contract: { manager: "process", "switch.strategy": "exec" } });
      const held = join(host.base, "held");
      execFileSync("mkfifo", [held]);
      await beside(host, "ours", async (pid) => {
        const asked = `T_COMPONENT=web; load_contract web v1
process_born_since() { echo ${held}; echo /proc/${pid}/environ; }
process_carriers 0`;
        assert.match((await host.word("call", "eval", asked)).stdout, new RegExp(`^${pid} \\d+\n$`));
      });
    }));

  test(`${shell.join(" ")}: a program whose path reads like another line of a listing makes nobody else's process one of the service`, () =>
    withPartsHost(shell, async (host) => {
      await host.install("v1", { contract: { manager: "process", "switch.strategy": "signal" } });
      const program = join(host.base, "web/versions/v1/sleep");
      await sleeper(program, async (ours) => {
        await sleeper(join(host.base, "stranger"), async (stranger) => {
          await sleeper(`${host.base}/a\nx /proc/${stranger}/exe -> ${program}`, async () => {
            const said = await host.word("call", "eval", "load_contract web v1; signal_running v1; signal_running");
            assert.deepEqual([said.exitCode, said.stdout], [0, `${ours}\n${ours}\n`]);
          });
        });
      });
    }));
}
