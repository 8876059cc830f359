// Sabotage of whole hosts: links, controllers and hosts that go away in the middle of a release, and hands that are not ours.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { hostComponentName, signHost } from "../../src/app/keys.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { runProgram } from "../../src/lab/run-program.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { artifactWriter, hostScript, signer } from "../../src/wiring.ts";
import { afterWrite, controllerGone } from "../support/after-write.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { inFullForm } from "../support/full-form.ts";
import { until } from "../support/until.ts";
import {
  type AppWorld,
  assertServes,
  currentOf,
  latenessMs,
  linesInLog,
  pointCurrentByHand,
  revertedBecause,
  startsOf,
  trialFile,
  unitProperty,
  withAppWorld,
} from "../support/with-app-world.ts";
import type { Home } from "../support/with-home.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";
import { say, sayWith, systemState } from "../support/with-systemd-world.ts";

/** A busy machine takes its time for a way back; a timer without an accuracy of its own would be up to a minute late. */
const lateAtMostMs = 8_000;
/** Of trials that nobody confirms; those before them are confirmed in that time, also on a busy machine. */
const deadlineSeconds = 20;
const options = { skip: systemdSkip, timeout: 1_200_000 };

/** All tests share three hosts; they are told apart by their place in the plan. */
function onHosts(
  request: Parameters<typeof withAppWorld>[1],
  body: (world: AppWorld, first: LabHost, middle: LabHost, last: LabHost) => Promise<void>,
): Promise<void> {
  return withSystemdLab(3, (lab) => {
    const [first, middle, last] = lab.hosts;
    assert.ok(first && middle && last);
    return withAppWorld(lab, request, (world) => body(world, first, middle, last));
  });
}

test(
  "F10, P7, P9: a black hole after the switch was sent: the host is unknown, nobody else switches, it goes back by itself, and is read back",
  options,
  () =>
    onHosts({}, async (world, first, middle, last) => {
      await world.startWith("1.0.0");
      const heldBy = "/run/held";
      await world.publishApp("2.0.0", { deadlineSeconds, heldBy });
      await world.pushApp("2.0.0");
      const starts = await startsOf(last);
      const seen: JournalEvent[] = [];
      // The host does not get on with its switch, of which it would tell, until nobody hears it any more.
      await say(middle, "touch", heldBy);
      const wrapJournal = afterWrite(async (event) => {
        if (event.kind !== "submitted" || event.step !== "switch.2") return;
        await middle.cutNetwork();
        await say(middle, "rm", heldBy);
      });
      try {
        const pass = await world.reconcile({ patienceMs: 1_000, wrapJournal, onEvent: (event) => seen.push(event) });
        assertOutcomes(pass, "waiting");
        assert.equal(pass.results[0]?.run?.state.hosts.get(`switch.2/${middle.name}`), "unknown");
        assert.equal(await revertedBecause(middle, 60_000), "deadline");
        assert.ok((await latenessMs(middle)) < lateAtMostMs);
        await assertServes(middle, "1.0.0");
        assert.deepEqual(taskHosts(seen, "switch"), [first.name]);
        assert.equal(await startsOf(last), starts);
      } finally {
        await middle.restoreNetwork();
      }
      assertOutcomes(await world.reconcile(), "rolled-back", "done");
      for (const host of [first, middle, last]) await assertServes(host, "2.0.0");
    }),
);

inFullForm(
  "F11: when only the reply to the switch is lost, it is asked for again and nothing switches twice",
  options,
  () =>
    onHosts({}, async (world, first, middle, last) => {
      await world.startWith("1.0.0");
      await world.publishApp("2.0.0");
      await world.pushApp("2.0.0");
      const starts = await startsOf(middle);
      let switched: Promise<void> | undefined;
      const wrapJournal = afterWrite(async (event) => {
        if (event.kind !== "step-started" || event.step !== "switch.2") return;
        await dropReplies(middle);
        switched = until("the switch", 30_000, async () => (await trialFile(middle, "armed/switched")) !== undefined);
        void switched.finally(() => allowReplies(middle));
      });
      const seen: JournalEvent[] = [];
      assertOutcomes(await world.reconcile({ wrapJournal, onEvent: (event) => seen.push(event) }), "done");
      await switched;
      assert.equal(await startsOf(middle), starts + 1);
      assert.deepEqual(taskHosts(seen, "switch"), [first.name, middle.name, last.name]);
      for (const host of [first, middle, last]) await assertServes(host, "2.0.0");
    }),
);

inFullForm(
  "F12, P8: a controller that is gone after the switch: every host goes back at its deadline, also without sshd or network",
  options,
  () =>
    onHosts({ policy: { canaries: 3 } }, async (world, first, middle, last) => {
      await world.startWith("1.0.0");
      await world.publishApp("2.0.0", { deadlineSeconds });
      await world.pushApp("2.0.0");
      const starts = await Promise.all([first, middle, last].map(startsOf));
      let submitted = 0;
      const wrapJournal = afterWrite((event) => {
        if (event.kind === "submitted" && event.step === "switch.1" && ++submitted === 3) throw controllerGone;
      });
      await assert.rejects(world.reconcile({ wrapJournal }), controllerGone);
      await Promise.all([middle.stopSshd(), last.cutNetwork()]);
      try {
        for (const [index, host] of [first, middle, last].entries()) {
          assert.equal(await revertedBecause(host, 60_000), "deadline", host.name);
          assert.ok((await latenessMs(host)) < lateAtMostMs, `${host.name}: ${await latenessMs(host)} ms late`);
          assert.equal(await startsOf(host), (starts[index] ?? 0) + 2, "forward and back, once each");
          await assertServes(host, "1.0.0");
        }
      } finally {
        await Promise.all([middle.startSshd(), last.restoreNetwork()]);
      }
      const seen: JournalEvent[] = [];
      assertOutcomes(await world.reconcile({ onEvent: (event) => seen.push(event) }), "rolled-back", "done");
      assert.deepEqual(seen.filter(({ kind }) => kind === "quarantined"), []); // biome-ignore format: one line
    }),
);

inFullForm(
  "F14, P8: a host that crashes or reboots between rename and health is back on the old version before its sshd is up",
  options,
  () =>
    onHosts({ policy: { canaries: 2 } }, async (world, first, middle, last) => {
      await world.startWith("1.0.0");
      await world.publishApp("2.0.0", { neverReady: true });
      await world.pushApp("2.0.0");
      const starts = await startsOf(last);
      const seen: JournalEvent[] = [];
      const passing = world.reconcile({ patienceMs: 60_000, onEvent: (event) => seen.push(event) });
      const renamed = (host: LabHost) =>
        until(`${host.name} to rename current`, 30_000, async () => (await currentOf(host)) === "2.0.0");
      await Promise.all([
        renamed(first).then(() => first.crash()).then(() => first.boot()), // biome-ignore format: one line
        renamed(middle).then(() => middle.reboot()),
      ]);
      for (const host of [first, middle]) {
        assert.equal(await revertedBecause(host, 60_000), "boot", host.name);
        await assertServes(host, "1.0.0");
        const guarded = Number(await unitProperty(host, "cutover-guard.service", "ExecMainExitTimestampMonotonic"));
        const reachable = Number(await unitProperty(host, "ssh.service", "ExecMainStartTimestampMonotonic"));
        assert.ok(guarded > 0 && guarded < reachable, `${host.name}: guard ${guarded}, sshd ${reachable}`);
      }
      assertOutcomes(await passing, "rolled-back");
      assert.deepEqual(seen.filter(({ kind }) => kind === "quarantined"), []); // biome-ignore format: one line
      assert.equal(await startsOf(last), starts);
    }),
);

inFullForm(
  "F28: a `current` that somebody re-pointed by hand is reported and left alone; the other hosts go on",
  options,
  () =>
    onHosts({}, async (world, first, middle, last) => {
      await world.startWith("1.0.0");
      await say(middle, "cp", "-a", "/srv/cutover/app/versions/1.0.0", "/srv/cutover/app/versions/hotfix");
      await pointCurrentByHand(middle, "hotfix");
      const starts = await startsOf(middle);
      await world.publishApp("2.0.0");
      await world.pushApp("2.0.0");
      const pass = await world.reconcile();
      assertOutcomes(pass, "done");
      assert.deepEqual(
        pass.results[0]?.plan.held.map(({ host, reason, evidence }) => [host, reason, evidence]),
        [[middle.name, "drifted", "current is hotfix, but 1.0.0 was committed last"]],
      );
      assert.equal(await currentOf(middle), "hotfix");
      assert.equal(await startsOf(middle), starts);
      for (const host of [first, last]) await assertServes(host, "2.0.0");
    }),
);

test("T24: a host that shows another host key is not talked to, and the others go on", options, () =>
  onHosts({}, async (world, first, middle, last) => {
    await world.startWith("1.0.0");
    const logins = () => linesInLog(middle, "ssh.service", "^Accepted");
    const before = await logins();
    assert.ok(before > 0, "what it got so far came over logins");
    const key = "/etc/ssh/ssh_host_ed25519_key";
    await say(middle, "sh", "-c", `mv ${key} ${key}.mine && ssh-keygen -q -t ed25519 -N '' -f ${key}.other`);
    await say(middle, "sh", "-c", `mv ${key}.other ${key} && systemctl restart ssh.service`);
    try {
      await world.publishApp("2.0.0");
      await world.pushApp("2.0.0");
      const pass = await world.reconcile();
      assertOutcomes(pass, "done");
      const observed = pass.results[0]?.observations.get(middle.name);
      assert.equal(observed?.kind === "unreachable" && observed.code, "host-key-changed");
      assert.deepEqual(pass.results[0]?.plan.held.map(({ host, reason }) => [host, reason]), [[middle.name, "unreachable"]]); // biome-ignore format: one line
      assert.equal(await logins(), before);
      await assertServes(middle, "1.0.0");
      for (const host of [first, last]) await assertServes(host, "2.0.0");
    } finally {
      await say(middle, "sh", "-c", `mv ${key}.mine ${key} && systemctl restart ssh.service`);
    }
  }),
);

test("T28: the controller's SSH key opens no shell, no terminal, no file transfer and no forwarding", options, () =>
  onHosts({}, async (world, host) => {
    assert.match((await asController(world, host, ["version"])).stdout, /\S/);
    for (const words of [
      ["id"],
      [],
      ["session; id"],
      ["session", "id"],
      ["version$(id)"],
      ["guard"],
      ["ssh-session"],
    ]) {
      const ran = await asController(world, host, words);
      assert.deepEqual([ran.exitCode, ran.stdout], [77, ""], words.join(" "));
      assert.match(ran.stderr, /refused: only session and version/);
    }
    const terminal = await asController(world, host, ["id"], ["-tt"]);
    assert.match(terminal.stderr, /PTY allocation request failed/);
    assert.deepEqual([terminal.exitCode === 0, terminal.stdout], [false, ""]);
    const outwards = await asController(world, host, [], ["-W", "127.0.0.1:22"]);
    assert.match(outwards.stderr, /administratively prohibited/);
    const inwards = await asController(
      world,
      host,
      [],
      ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"],
    );
    assert.match(inwards.stderr, /remote port forwarding failed/);
    const transfer = await asController(world, host, ["sftp"], ["-s"]);
    assert.notEqual(transfer.exitCode, 0);
  }),
);

inFullForm(
  "T36: a broken host.sh is taken back by the host itself and the old one answers; a good one is taken",
  options,
  () =>
    onHosts({ others: [hostComponentName] }, async (world, first, middle, last) => {
      const hosts = [first, middle, last];
      const before = await hostScripts(hosts);
      const broken = await releaseHostScript(world, "#!/bin/sh\nexit 1\n");
      const seen: JournalEvent[] = [];
      assertOutcomes(await world.reconcile({ onEvent: (event) => seen.push(event) }), "rolled-back");
      assert.ok(seen.some((event) => event.kind === "task" && event.event.task.endsWith("/switch")));
      assert.deepEqual(await hostScripts(hosts), before);
      assert.ok(!before.includes(broken));
      for (const host of hosts) assert.equal((await asController(world, host, ["version"])).exitCode, 0);
      const good = await releaseHostScript(world, `${hostScript()}# another one\n`);
      assertOutcomes(await world.reconcile(), "done");
      assert.deepEqual(await hostScripts(hosts), [good, good, good]);
      await world.publishApp("1.0.0");
      await world.pushApp("1.0.0");
      assertOutcomes(await world.reconcile(), "done", "in-sync");
      for (const host of hosts) await assertServes(host, "1.0.0");
    }),
);

/** Hosts that did a task of this kind, in order of their first word of that. */
function taskHosts(events: readonly JournalEvent[], kind: string): string[] {
  const hosts = events.flatMap((event) =>
    event.kind === "task" && event.event.task.endsWith(`/${kind}`) && event.event.state === "done" ? [event.host] : [],
  );
  return [...new Set(hosts)];
}

/** One way only: what the host is told arrives, what it answers does not. */
function dropReplies(host: LabHost): Promise<string> {
  const chain = "type filter hook output priority -400; policy drop; oif lo accept";
  return sayWith(host, { input: `table inet one_way {\n chain out {\n ${chain}\n }\n}\n` }, "nft", "-f", "-");
}

function allowReplies(host: LabHost): Promise<string> {
  return say(host, "nft", "delete", "table", "inet", "one_way");
}

/** The OpenSSH client with the controller's key, as whoever stole it would use it. */
function asController(world: Home, host: LabHost, words: readonly string[], flags: readonly string[] = []) {
  const settings = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"];
  const login = ["-i", join(world.home, "keys", "controller"), ...settings.flatMap((setting) => ["-o", setting])];
  const argv = ["ssh", "-F", "none", "-o", "LogLevel=INFO", ...login, ...flags, `cutover@${host.address}`, ...words];
  return runProgram(argv, { input: "", timeoutMs: 60_000 });
}

async function releaseHostScript(world: Home, script: string): Promise<string> {
  const { version } = await signHost({
    script,
    releaseKeys: [join(world.home, "keys", "release")],
    store: artifactWriter(join(world.home, "artifacts")),
    signer,
    now: Date.now(),
    deadlineSeconds,
  });
  const release = { apiVersion: "cutover/v1", kind: "Release", name: "hosts" };
  await world.push({ "hosts.yaml": { ...release, components: [{ name: hostComponentName, version }] } });
  return version;
}

function hostScripts(hosts: readonly LabHost[]): Promise<string[]> {
  return Promise.all(
    hosts.map(async (host) => (await say(host, "readlink", `${systemState}/host/current`)).replace("versions/", "")),
  );
}
