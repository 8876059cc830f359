// Strategy socket lifts systemd's limits for a trial: they are the operator's again whatever fails, or is killed, in between.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import { killedAt } from "../support/killed-at.ts";
import { commit, enrol, install, lasting, must, SCRIPT, task, write } from "../support/systemd-parts.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";

const socket = "[Socket]\nListenStream=127.0.0.1:8099\n";
const service = "[Service]\nExecStart=/srv/shop/current/app\nRestart=always\n";
const contract = { "switch.strategy": "socket", "unit.0": "shop.service", "switch.socket.0": "shop.socket" };

test(
  "systemd: limits that a trial lifted come back after a commit that systemd did not answer, and after a kill; those that another component's trial needs stay lifted",
  {
    skip: systemdSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await enrol(host);
      await write(host, "/etc/systemd/system/shop.socket", socket, 0o644);
      await write(host, "/etc/systemd/system/shop.service", service, 0o644);
      await must(host, "systemctl", "daemon-reload");
      for (const version of ["v1", "v2", "v3"]) await install(host, "shop", version, lasting, contract);
      await install(host, "stall", "v1", lasting, contract);
      await commit(host, "shop", "v1");
      assert.deepEqual(await limits(host), ["10s", ""]);

      await mustDo(host, "switch", "shop", "v2");
      await mustDo(host, "confirm", "shop", "v2");
      const refusing = "/usr/local/sbin/systemctl";
      await write(
        host,
        refusing,
        '#!/bin/sh\ncase " $* " in *" daemon-reload "*) exit 1 ;; esac\nexec /usr/bin/systemctl "$@"\n',
      );
      const refused = await task(host, "commit", "do", "shop", "v2", { run: "v2" });
      assert.match(refused.said, /systemctl-failed/);
      assert.equal((await limits(host))[0], "0", "systemd has not read that they are the operator's again");
      await must(host, "rm", refusing);
      await mustDo(host, "commit", "shop", "v2");
      assert.deepEqual(await limits(host), ["10s", ""]);

      const whole = await readFile(host.pathOf(SCRIPT), "utf8");
      await write(host, SCRIPT, killedAt(whole, ["switch_begin", "\ttrial_arm"]));
      assert.equal((await task(host, "switch", "do", "shop", "v3", { run: "v3" })).exitCode, 137);
      await write(host, SCRIPT, whole);
      assert.equal((await limits(host))[0], "0");
      assert.match((await task(host, "switch", "undo", "shop", "v3", { run: "v3" })).said, /nothing-to-undo/);
      assert.deepEqual(await limits(host), ["10s", ""]);

      await mustDo(host, "switch", "stall", "v1");
      await mustDo(host, "switch", "shop", "v3");
      await mustDo(host, "confirm", "shop", "v3");
      await mustDo(host, "commit", "shop", "v3");
      assert.equal((await limits(host))[0], "0", "the trial of stall is open");
      await mustDo(host, "confirm", "stall", "v1");
      await mustDo(host, "commit", "stall", "v1");
      assert.deepEqual(await limits(host), ["10s", ""]);
    }),
);

/** The run is named after the version. */
async function mustDo(host: LabHost, kind: string, component: string, version: string): Promise<void> {
  const session = kind === "switch" ? "a" : "b";
  const { exitCode, said } = await task(host, kind, "do", component, version, { run: version, session });
  assert.equal(exitCode, 0, `${kind} ${component} ${version}: ${said}`);
}

/** The service's start limit as systemd has it, and the files below its run-time units. */
async function limits(host: LabHost): Promise<[string, string]> {
  return [
    await must(host, "systemctl", "show", "-p", "StartLimitIntervalUSec", "--value", "shop.service"),
    await must(host, "find", "/run/systemd/system", "-path", "*shop*"),
  ];
}
