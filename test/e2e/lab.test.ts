// The labs themselves: hosts boot, fail and come back as told, and nothing of a lab outlives it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { readRecords } from "../../src/lab/lab-record.ts";
import { startLoopbackLab } from "../../src/lab/loopback-lab.ts";
import { mustRun, runProgram } from "../../src/lab/run-program.ts";
import { answersSsh } from "../../src/lab/ssh-banner.ts";
import { startSystemdLab } from "../../src/lab/systemd-lab.ts";
import { takeDownLabs } from "../../src/lab/take-down.ts";
import { waitUntil } from "../../src/lab/wait-until.ts";
import { leaksOf } from "../support/leak-check.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { labDirectory, loopbackSkip, systemdSkip, withLoopbackLab, withSystemdLab } from "../support/with-lab.ts";

const holdLab = join(import.meta.dirname, "../support/hold-lab.ts");
const kinds = [
  { kind: "loopback", skip: loopbackSkip, withLab: withLoopbackLab, start: startLoopbackLab },
  { kind: "systemd", skip: systemdSkip, withLab: withSystemdLab, start: startSystemdLab },
] as const;

for (const { kind, skip, withLab, start } of kinds) {
  test(`${kind}: every host has an address and a host key of its own, and shows that key`, { skip }, () =>
    withLab(2, async ({ hosts }) => {
      assert.equal(new Set(hosts.map((host) => host.address)).size, 2);
      assert.equal(new Set(hosts.flatMap((host) => host.hostKeys)).size, 2);
      for (const host of hosts) assert.deepEqual([await offeredKey(host)], host.hostKeys);
    }),
  );

  test(
    `${kind}: the operator's commands run on the host that was meant, with their exit code and output`,
    { skip },
    () =>
      withLab(2, async ({ hosts }) => {
        await mustRunOn(first(hosts), ["touch", `${base(first(hosts))}/mark`]);
        const found = await Promise.all(hosts.map((host) => host.run(["test", "-e", `${base(host)}/mark`])));
        assert.deepEqual(found.map((ran) => ran.exitCode), [0, 1]); // biome-ignore format: one line
        await access(first(hosts).pathOf(`${base(first(hosts))}/mark`));
      }),
  );

  test(`${kind}: a stopped sshd refuses, the other host goes on, and it comes back`, { skip }, () =>
    withLab(2, async ({ hosts }) => {
      const [one, other] = [first(hosts), second(hosts)];
      await one.stopSshd();
      assert.equal(await answers(one), false);
      assert.equal(await answers(other), true);
      await one.startSshd();
      assert.equal(await answers(one), true);
    }),
  );

  test(`${kind}: a cut network hangs instead of refusing, the other host goes on, and it comes back`, { skip }, () =>
    withLab(2, async ({ hosts }) => {
      const [one, other] = [first(hosts), second(hosts)];
      await one.cutNetwork();
      assert.equal(await answers(one, 700), false);
      assert.equal(await answers(other), true);
      assert.equal((await one.run(["true"])).exitCode, 0, "the operator needs no network");
      await one.restoreNetwork();
      assert.equal(await answers(one), true);
    }),
  );

  test(`${kind}: a reboot and a crash end every process and keep every file`, { skip }, () =>
    withLab(2, async ({ hosts }) => {
      const host = first(hosts);
      for (const restart of [() => host.reboot(), () => host.crash().then(() => host.boot())]) {
        await mustRunOn(host, [
          "sh",
          "-c",
          `cd ${base(host)}; setsid sleep 98765 >/dev/null 2>&1 & echo kept > mark; sync`,
        ]);
        await waitUntil({
          what: "the sleeper to run",
          withinMs: 60_000,
          condition: async () => (await sleepers(host)) === 1,
        });
        await restart();
        assert.equal(await mustRunOn(host, ["cat", `${base(host)}/mark`]), "kept\n");
        assert.equal(await answers(host), true);
        assert.equal(await sleepers(host), 0);
      }
    }),
  );

  test(`${kind}: down leaves nothing, and may be repeated`, { skip }, async () => {
    const lab = await start({ directory: await labDirectory(), hosts: ["blue", "green"] });
    assert.deepEqual(lab.hosts.map((host) => host.name), ["blue", "green"]); // biome-ignore format: one line
    await lab.down();
    await lab.down();
    assert.deepEqual(await leaksOf({ ...lab, hosts: 2 }), []);
  });

  test(`${kind}: after kill -9 of its owner a lab is taken down by anyone, and leaves nothing`, { skip }, () =>
    withOwnRecords(async () => {
      const { id, directory } = await holdAndKill(kind);
      assert.deepEqual(
        (await takeDownLabs({ all: false })).map((record) => record.id),
        [id],
      );
      assert.deepEqual(await leaksOf({ id, directory, hosts: 2 }), []);
    }),
  );

  test(`${kind}: a lab killed while it was starting leaves nothing either`, { skip }, () =>
    withOwnRecords(async () => {
      const directory = await labDirectory();
      const child = spawn(process.execPath, [holdLab, kind, directory, "2"], { stdio: ["pipe", "ignore", "inherit"] });
      await waitUntil({
        what: "the lab's record",
        withinMs: 60_000,
        condition: async () => (await readRecords()).length > 0,
      });
      child.kill("SIGKILL");
      await once(child, "close");
      const [record] = await takeDownLabs({ all: false });
      assert.ok(record);
      assert.deepEqual(await leaksOf({ id: record.id, directory, hosts: 2 }), []);
    }),
  );

  test(`${kind}: a lab whose owner lives is left alone`, { skip }, () =>
    withOwnRecords(async () => {
      const lab = await start({ directory: await labDirectory(), hosts: 1 });
      assert.deepEqual(await takeDownLabs({ all: false }), []);
      assert.equal(await answers(first(lab.hosts)), true);
      await lab.down();
    }),
  );
}

test("a lab ends with the npm that it was started through, however that one ends", { skip: loopbackSkip }, () =>
  withOwnRecords(async () => {
    const directory = await labDirectory();
    const main = join(import.meta.dirname, "../../src/main.ts");
    // npm names itself so; it is killed before it can pass anything on.
    const npm = `process.title = "npm run cutover lab up"; require("node:child_process").spawn(process.execPath, ${JSON.stringify([main, "lab", "up", "--hosts", "1", "--dir", directory])}, { stdio: "inherit" })`;
    const child = spawn(process.execPath, ["--eval", npm], { stdio: ["ignore", "pipe", "inherit"] });
    const printed = once(child.stdout, "data");
    const ended = once(child, "exit");
    await printed;
    const [record] = await readRecords();
    assert.ok(record);
    child.kill("SIGKILL");
    await ended;
    await waitUntil({
      what: "the lab to end",
      withinMs: 120_000,
      condition: async () => (await readRecords()).length === 0,
    });
    assert.deepEqual(await leaksOf({ id: record.id, directory, hosts: 1 }), []);
  }),
);

test("a lab refuses a directory that holds something, and leaves it as it is", { skip: loopbackSkip }, () =>
  withTemporaryDirectory(async (directory) => {
    await writeFile(join(directory, "mine"), "");
    await assert.rejects(startLoopbackLab({ directory, hosts: 1 }), { code: "usage" });
    await access(join(directory, "mine"));
  }),
);

test(
  "systemd: the operator logs in as root over SSH, and every host reports a healthy boot and its own identity",
  { skip: systemdSkip },
  () =>
    withSystemdLab(2, async (lab) => {
      const identities = await Promise.all(
        lab.hosts.map((host) => asOperator(lab, host, "hostname; cat /etc/machine-id; systemctl is-system-running")),
      );
      assert.equal(new Set(identities).size, 2);
      for (const identity of identities) assert.match(identity, /^host-\d\n[0-9a-f]{32}\nrunning\n$/);
    }),
);

test(
  "systemd: an SSH session that was open when the network was cut stays half-open and goes on afterwards",
  { skip: systemdSkip },
  () =>
    withSystemdLab(2, async (lab) => {
      const host = first(lab.hosts);
      const session = spawn("ssh", [...sshOptions(lab, host), "cat"], { stdio: ["pipe", "pipe", "ignore"] });
      session.stdin.write("before\n");
      assert.equal(String((await once(session.stdout, "data"))[0]), "before\n");
      await host.cutNetwork();
      session.stdin.write("during\n");
      await host.restoreNetwork();
      assert.equal(String((await once(session.stdout, "data"))[0]), "during\n");
      session.stdin.end();
      await once(session, "close");
    }),
);

function first(hosts: readonly LabHost[]): LabHost {
  const [host] = hosts;
  assert.ok(host);
  return host;
}
function second(hosts: readonly LabHost[]): LabHost {
  const host = hosts[1];
  assert.ok(host);
  return host;
}

/** Where component roots are on the host's disk. */
function base(host: LabHost): string {
  return host.prefix + host.baseDirectory;
}

/** One that is there answers some time, however busy this machine is; one that hangs is given up after `withinMs`. */
function answers(host: LabHost, withinMs = 60_000): Promise<boolean> {
  return answersSsh(host.address, host.port, withinMs);
}

async function mustRunOn(host: LabHost, argv: readonly string[]): Promise<string> {
  const ran = await host.run(argv);
  assert.equal(ran.exitCode, 0, ran.stderr);
  return ran.stdout;
}

async function offeredKey(host: LabHost): Promise<string> {
  const line = await mustRun(["ssh-keyscan", "-T", "60", "-t", "ed25519", "-p", String(host.port), host.address]);
  return line.trim().split(" ").slice(-2).join(" ");
}

/** How many of the test's sleepers run on the host. */
async function sleepers(host: LabHost): Promise<number> {
  const script =
    'n=0; for p in /proc/[0-9]*; do [ "$(readlink "$p/cwd")" = "$1" ] && grep -qa 98765 "$p/cmdline" && n=$((n + 1)); done; echo "$n"';
  return Number((await host.run(["sh", "-c", script, "sh", base(host)])).stdout);
}

function sshOptions(lab: Lab, host: LabHost): string[] {
  const options = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "BatchMode=yes",
    "LogLevel=ERROR",
    "ConnectTimeout=60",
  ];
  return ["-i", lab.operatorKey ?? "", ...options.flatMap((option) => ["-o", option]), `root@${host.address}`];
}

async function asOperator(lab: Lab, host: LabHost, command: string): Promise<string> {
  const ran = await runProgram(["ssh", ...sshOptions(lab, host), command]);
  assert.equal(ran.exitCode, 0, ran.stderr);
  return ran.stdout;
}

/** Labs started within are written down apart, so that another test file's labs are not touched. */
async function withOwnRecords(body: () => Promise<void>): Promise<void> {
  const before = process.env.XDG_STATE_HOME;
  await withTemporaryDirectory(async (directory) => {
    process.env.XDG_STATE_HOME = directory;
    try {
      await body();
    } finally {
      if (before === undefined) delete process.env.XDG_STATE_HOME;
      else process.env.XDG_STATE_HOME = before;
    }
  });
}

async function holdAndKill(kind: string): Promise<{ id: string; directory: string }> {
  const directory = await labDirectory();
  const child = spawn(process.execPath, [holdLab, kind, directory, "2"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  const id = await Promise.race([
    once(child.stdout, "data").then(([data]) => String(data).trim()),
    ended.then(() => undefined),
  ]);
  assert.ok(id, "the lab did not come up");
  child.kill("SIGKILL");
  await ended;
  return { id, directory };
}
