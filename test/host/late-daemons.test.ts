// Manager process: whom the way back ends beside the processes that it knows. A successor that made a daemon of itself is nobody's child, and
// comes when the trial has long gone back; a person who looks after the service at a terminal has its environment, too.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ask } from "../support/asking-clients.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { heldAt, killedAt } from "../support/killed-at.ts";
import { alive, serviceProcesses } from "../support/live-processes.ts";
import { commit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { until } from "../support/until.ts";

const server = '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/server.cjs"\n';
/** Ends at once, or once it is let go; the daemon that it leaves gets ready when nobody waits for it any more. */
const start = (directory: string, waits = ""): string => `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
cd ${directory}
${waits}
setsid sh "$here/daemon" </dev/null >/dev/null 2>&1 &
`;
const daemon = `echo $$ >"$CUTOVER_PID_FILE.new" && mv "$CUTOVER_PID_FILE.new" "$CUTOVER_PID_FILE.daemon"
sleep 600
echo $$ >"$CUTOVER_PID_FILE"
`;
const stubborn = `#!/bin/sh
trap "" TERM
sleep 600 &
echo $! >"$CUTOVER_PID_FILE.worker"
echo $$ >"$CUTOVER_PID_FILE"
while :; do sleep 0.1; done
`;

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  for (const [strategy, directory] of [
    ["exec", '"$here"'],
    ["takeover", '"$here"'],
    ["reuseport", "/"],
  ] as const) {
    test(`${name}: P8: ${strategy}: a successor that made a daemon of itself and is late does not outlive the way back`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.strategy": strategy, "switch.start": "start" };
        await host.installService("v1", { reusePort: true }, contract, { start: server });
        await host.installService("v2", {}, { ...contract, "switch.ready-seconds": "2" }, { start: start(directory), daemon }); // biome-ignore format: one line
        await commit(host, "v1");
        const first = await host.pid();
        // On a busy machine the daemon may take longer than it is waited for.
        const whole = await readFile(host.script, "utf8");
        const come = join(host.state, "components/web/pid.daemon");
        await writeFile(host.script, heldAt(whole, ["exec_wait", "\tuptime_cs"], { until: come }));
        const switched = await switchTo(host, "v2");
        await writeFile(host.script, whole);
        assert.equal(switched.exitCode, 71, `${switched.reason} ${switched.evidence}`);
        const coming = Number(await readFile(come, "utf8"));
        await undo(host, "v2");
        assert.equal(await alive(coming), false);
        assert.deepEqual([await host.pid(), await ask(host.port)], [first, "v1"]);
      }));

    test(`${name}: P8: ${strategy}: a start script that was about to leave a daemon when nobody waited for it any more leaves none`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.strategy": strategy, "switch.start": "start" };
        const [begun, go] = [join(host.base, "begun"), join(host.base, "go")];
        const slow = start(directory, `: >${begun}; until [ -e ${go} ]; do sleep 0.05; done`);
        await host.installService("v1", { reusePort: true }, contract, { start: server });
        await host.installService("v2", {}, { ...contract, "switch.ready-seconds": "1" }, { start: slow, daemon });
        await commit(host, "v1");
        const first = await host.pid();
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, heldAt(whole, ["exec_wait", "\tuptime_cs"], { until: begun }));
        const switched = await switchTo(host, "v2");
        await writeFile(host.script, whole);
        assert.equal(switched.exitCode, 71, `${switched.reason} ${switched.evidence}`);
        await undo(host, "v2");
        await writeFile(go, "");
        assert.deepEqual([await host.pid(), await serviceProcesses(host)], [first, [first]]);
        assert.equal(await ask(host.port), "v1");
      }));
  }

  test(`${name}: P7, P8: exec: a successor that makes a daemon of itself somewhere else is waited for, and does not outlive the way back`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.start": "start" };
      // It goes when it was seen: nothing but who started it tells of it from then on, until it writes its pid.
      const seen = `until grep -qs "^$$ " "\${CUTOVER_PID_FILE%/*}/trial/armed/hand-over.v"?.seen; do sleep 0.05; done`;
      const fromElsewhere = { start: start("/", seen), "server.sh": server };
      await host.installService("v1", {}, contract, { start: server });
      await host.installService("v2", {}, contract, { ...fromElsewhere, daemon: 'sleep 2\nexec "$(dirname "$0")/server.sh"\n' }); // biome-ignore format: one line
      await host.installService("v3", {}, { ...contract, "switch.ready-seconds": "3" }, { ...fromElsewhere, daemon });
      await commit(host, "v1");
      const switched = await switchTo(host, "v2");
      assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
      assert.equal(await ask(host.port), "v2");
      await undo(host, "v2");
      const first = await host.pid();
      const late = host.start("switch", "do", { version: "v3", run: "v3" });
      const seenFile = join(host.state, "components/web/trial/armed/hand-over.v3.seen");
      await until("the successor to be seen", 20_000, async () => existsSync(seenFile));
      // What the old version starts meanwhile, and does not wait for, is its own.
      const given = { CUTOVER_PID_FILE: join(host.state, "components/web/pid") };
      const cwd = join(host.base, "web/versions/v1");
      const job = spawn("/usr/bin/sleep", ["600"], { env: given, cwd, stdio: "ignore", detached: true });
      const ended = once(job, "exit");
      try {
        assert.equal((await late.result).reason, "not-ready");
        await undo(host, "v3");
        assert.deepEqual((await serviceProcesses(host)).sort(), [first ?? 0, job.pid ?? 0].sort());
        assert.equal(await host.pid(), first);
        assert.equal(await ask(host.port), "v1");
      } finally {
        job.kill("SIGKILL");
        await ended;
      }
    }));

  test(`${name}: P6, P8: exec: host.sh is killed before it saw who came: the way back ends the start script and the daemon that it had left somewhere else`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.start": "start" };
      await host.installService("v1", {}, contract, { start: server });
      await host.installService("v2", {}, contract, { start: `${start("/")}while :; do sleep 0.1; done\n`, daemon });
      await commit(host, "v1");
      const first = await host.pid();
      const whole = await readFile(host.script, "utf8");
      await writeFile(host.script, killedAt(whole, ["exec_settle", "\tif exec_wait"]));
      assert.equal((await switchTo(host, "v2")).exitCode, 137);
      await writeFile(host.script, whole);
      const come = join(host.state, "components/web/pid.daemon");
      await until("the daemon", 20_000, async () => existsSync(come));
      await undo(host, "v2");
      assert.deepEqual([await host.pid(), await serviceProcesses(host)], [first, [first]]);
      assert.equal(await ask(host.port), "v1");
    }));

  test(`${name}: restart: the workers of a version that had to be killed end with it, or they would serve on`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.strategy": "restart", "switch.stop-seconds": "1" };
      await host.installService("v1", {}, { ...contract, "switch.start": "stubborn" }, { stubborn });
      await host.installService("v2", {}, contract);
      await commit(host, "v1");
      const worker = Number(await readFile(join(host.state, "components/web/pid.worker"), "utf8"));
      const switched = await switchTo(host, "v2");
      assert.match(switched.evidence, / killed=\d+ after 1 s/);
      assert.deepEqual([await alive(worker), await serviceProcesses(host)], [false, [await host.pid()]]);
    }));

  test(`${name}: exec: the workers of an old process that had to be killed end with it, or they would serve on`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.start": "start", "switch.stop-seconds": "1" };
      const prefork = server.replace("\nexec", '\nsleep 600 & echo $! >"$CUTOVER_PID_FILE.worker"\nexec');
      await host.installService("v1", { ignoresStop: true }, contract, { start: prefork });
      await host.installService("v2", {}, contract, { start: server });
      await commit(host, "v1");
      const worker = Number(await readFile(join(host.state, "components/web/pid.worker"), "utf8"));
      assert.ok(await alive(worker));
      const switched = await switchTo(host, "v2");
      assert.match(switched.evidence, / killed=\d+ after 1 s/);
      assert.deepEqual([await alive(worker), await serviceProcesses(host)], [false, [await host.pid()]]);
      assert.equal(await ask(host.port), "v2");
    }));

  for (const action of ["do", "undo"] as const)
    test(`${name}: P6: exec: host.sh is killed when it has killed the old process: ${action} ends the workers of that`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.start": "start", "switch.stop-seconds": "1" };
        const prefork = server.replace("\nexec", '\nsleep 600 & echo $! >"$CUTOVER_PID_FILE.worker"\nexec');
        await host.installService("v1", { ignoresStop: true }, contract, { start: prefork });
        await host.installService("v2", {}, contract, { start: server });
        await commit(host, "v1");
        const worker = Number(await readFile(join(host.state, "components/web/pid.worker"), "utf8"));
        const whole = await readFile(host.script, "utf8");
        await writeFile(host.script, killedAt(whole, ["exec_end_old", '\t[ -z "$end_forced_" ]']));
        assert.equal((await switchTo(host, "v2")).exitCode, 137);
        assert.ok(await alive(worker), "nobody has ended it yet");
        await writeFile(host.script, whole);
        const { exitCode, evidence } = await host.task("switch", action, { version: "v2", run: "v2" });
        assert.equal(exitCode, 0, evidence);
        assert.equal(await alive(worker), false);
        assert.equal(await ask(host.port), action === "do" ? "v2" : "v1");
      }));

  test(`${name}: P8: a shell at a terminal with the service's environment is a person's, and is not ended with what never got ready`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.strategy": "restart" };
      await host.installService("v1", {}, contract);
      await host.installService("v2", { neverReady: true }, { ...contract, "switch.ready-seconds": "2" });
      await commit(host, "v1");
      assert.equal((await switchTo(host, "v2")).reason, "not-ready");
      const [second = 0] = await serviceProcesses(host);
      const given = `CUTOVER_PID_FILE=${join(host.state, "components/web/pid")}`;
      const terminal = spawn("script", ["-qec", `exec env ${given} sh -c 'echo $$; sleep 600'`, "/dev/null"], {
        stdio: ["pipe", "pipe", "ignore"],
      });
      const ended = once(terminal, "exit");
      try {
        const person = Number((await once(terminal.stdout, "data")).toString());
        assert.ok((await serviceProcesses(host)).includes(person));
        await undo(host, "v2");
        assert.deepEqual([await alive(second), await alive(person)], [false, true]);
        assert.equal(await ask(host.port), "v1");
      } finally {
        terminal.kill("SIGKILL");
        await ended;
      }
    }));

  test(`${name}: exec: a job of the new version that nobody started for the service, as cron does, outlives the way back`, () =>
    withPartsHost(shell, async (host) => {
      await host.installService("v1");
      await host.installService("v2", { crashBeforeReady: true });
      await commit(host, "v1");
      assert.equal((await switchTo(host, "v2")).reason, "new-version-died");
      const program = join(host.base, "web/versions/v2/job");
      await copyFile("/usr/bin/sleep", program);
      const job = spawn(program, ["600"], { env: { HOME: "/" }, cwd: "/", stdio: "ignore" });
      const ended = once(job, "exit");
      try {
        await undo(host, "v2");
        assert.equal(await alive(job.pid ?? 0), true);
        assert.equal(await ask(host.port), "v1");
      } finally {
        job.kill("SIGKILL");
        await ended;
      }
    }));
}
