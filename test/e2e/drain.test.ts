// R18 through the whole product: what a drain cuts reaches the task's story, the status and the notes; and while one host of a batch
// drains for longer than a trial lasts, those that switched are confirmed and stay.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { mustRun } from "../../src/lab/run-program.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { cutoverCommand } from "../support/cutover-command.ts";
import { inFullForm } from "../support/full-form.ts";
import { listenElsewhere, spawnServe } from "../support/spawn-serve.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

const base = { apiVersion: "cutover/v1" };
const inflight = "/srv/cutover/in-flight";

async function setInflight(hosts: readonly LabHost[], count: number): Promise<void> {
  for (const host of hosts) {
    await mkdir(`${host.prefix}/srv/cutover`, { recursive: true });
    await writeFile(`${host.prefix}${inflight}`, `${count}\n`);
  }
}

const hostOf = (lab: Lab, index: number): LabHost => {
  const host = lab.hosts[index];
  assert.ok(host);
  return host;
};

test(
  "R18: work that a drain cut is counted in the task's story, in status and in the notes, until the next switch",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(
        lab,
        async (world) => {
          await setInflight(lab.hosts, 0);
          for (const version of ["1.0.0", "2.0.0", "3.0.0"]) await world.publishWeb(version);
          await world.pushWeb("1.0.0");
          assertOutcomes(await world.reconcile(), "done");
          const cut = hostOf(lab, 1);
          await setInflight([cut], 3);
          const commit = await world.pushWeb("2.0.0");
          assertOutcomes(await world.reconcile(), "done");
          const cutover = cutoverCommand(world);
          const said = (await cutover(0, "task", "show", `${cut.name}/web/drain`)).text;
          // The signed second, on a busy machine too, and not the 60 s of a contract that does not say.
          assert.match(said, /do done: in-flight=3 cut=3 waited-ms=(?:[1-9]\d{3}|[1-4]\d{4}) until=deadline/);
          assert.match(said, /undo done: in service/);
          const row = new RegExp(`web +2\\.0\\.0 .*${cut.name}; cut: 3 in flight`);
          assert.match((await cutover(0, "status")).text, row);
          const remote = join(world.home, "releases.git");
          const note = await mustRun(["git", "-C", remote, "notes", "--ref=cutover", "show", commit]);
          assert.match(
            note,
            new RegExp(`^${cut.name} web 1\\.0\\.0 → 2\\.0\\.0 since [^,\\n]*, cut: 3 in flight$`, "m"),
          );
          assertOutcomes(await world.reconcile(), "in-sync");
          assert.match((await cutover(0, "status")).text, row, "as long as that version runs");
          await setInflight([cut], 0);
          await world.pushWeb("3.0.0");
          assertOutcomes(await world.reconcile(), "done");
          assert.doesNotMatch((await cutover(0, "status")).text, /cut:/);
        },
        { drain: { inflight: { file: inflight }, notReadyFile: "/srv/cutover/web/not-ready", withinSeconds: 1 } },
      ),
    ),
);

test(
  "P8: a host whose batch still drains when its trial would be over is confirmed, and stays; a drain on the way there is no reason to go back",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(
        lab,
        async (world) => {
          await setInflight(lab.hosts, 0);
          await world.push({ "policy.yaml": { ...base, kind: "Policy", name: "default", canaries: 2, batchSize: 2 } });
          for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
          await world.pushWeb("1.0.0");
          assertOutcomes(await world.reconcile(), "done");
          const [quick, slow] = [hostOf(lab, 0), hostOf(lab, 1)];
          await setInflight([slow], 1); // for longer than a trial lasts, unless the other host is confirmed meanwhile
          await world.pushWeb("2.0.0");
          const events: JournalEvent[] = [];
          let isIdle: Promise<void> | undefined;
          const onEvent = (event: JournalEvent) => {
            events.push(event);
            if (event.kind === "host-ended" && event.step === "confirm.1") isIdle ??= setInflight([slow], 0);
          };
          assertOutcomes(await world.reconcile({ onEvent }), "done");
          await isIdle;
          const ended = events.flatMap((event) =>
            event.kind === "host-ended" && /^(switch|confirm)\.1$/.test(event.step)
              ? [`${event.step.split(".")[0]} ${event.host} ${event.outcome}`]
              : [],
          );
          assert.deepEqual(ended, [
            `switch ${quick.name} done`,
            `confirm ${quick.name} done`,
            `switch ${slow.name} done`,
            `confirm ${slow.name} done`,
          ]);
          for (const host of [quick, slow]) assert.equal((await world.ask(host)).body, "2.0.0");
        },
        { drain: { inflight: { file: inflight }, withinSeconds: 120 }, deadlineSeconds: 24 },
      ),
    ),
);

inFullForm(
  "an operator who rolls back in the middle of a long drain does not wait for it; the host serves on, and never switches",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(
        lab,
        async (world) => {
          const host = hostOf(lab, 0);
          await setInflight(lab.hosts, 0);
          for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
          await world.pushWeb("1.0.0");
          assertOutcomes(await world.reconcile(), "done");
          await setInflight(lab.hosts, 1);
          await listenElsewhere(world.config);
          const serve = spawnServe(world.config);
          try {
            await world.pushWeb("2.0.0");
            const notReady = `${host.prefix}/srv/cutover/web/not-ready`;
            await until("the drain", 60_000, async () => existsSync(notReady));
            await cutoverCommand(world)(0, "rollback", "--reason", "not tonight");
            assert.ok(!existsSync(notReady));
            const started = () => serve.events.find(({ kind }) => kind === "rollback-started");
            await until("word of the rollback", 60_000, async () => started() !== undefined);
            const run = started()?.stream.replace("run/", "");
            const step = `${host.stateDirectory}/runs/${run}/switch.1`;
            await until("the end of the step that drained", 20_000, async () => existsSync(`${step}/result`));
            assert.match(await readFile(`${step}/events`, "utf8"), /web\/switch\tdo\tskipped\t0\t0\tearlier-failed/);
            for (const each of lab.hosts) assert.equal((await world.ask(each)).body, "1.0.0");
          } finally {
            await serve.stop();
          }
        },
        { drain: { inflight: { file: inflight }, notReadyFile: "/srv/cutover/web/not-ready", withinSeconds: 3_600 } },
      ),
    ),
);
