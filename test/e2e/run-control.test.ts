// What an operator does to runs, how a release goes back by its policy, and what drift does.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { withLease } from "../../src/app/controller.ts";
import { readStatus } from "../../src/app/read-status.ts";
import { rollBackRelease } from "../../src/app/roll-back.ts";
import { holdHost, resumeHost, retryVersion } from "../../src/app/run-control.ts";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { stateOf } from "../../src/model/status.ts";
import { openJournal } from "../../src/wiring.ts";
import { type AnsweringServices, withAnsweringServices } from "../support/answering-services.ts";
import { currentOf } from "../support/current-of.ts";
import { cutoverCommand } from "../support/cutover-command.ts";
import { inFullForm, registered } from "../support/full-form.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";
import { type Home, withHome } from "../support/with-home.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { enrolment, retire, type World, withWorld } from "../support/with-world.ts";

const filesOnly = { manager: "none", switch: { strategy: "none" }, health: [], env: {}, deadlineSeconds: 120 };
const act = { by: "anna", reason: "it looks wrong" };

test(
  "rollback of a finished run puts the previous version back and keeps it; retry lets it be tried again; a host on hold is left alone until it is resumed",
  { skip: loopbackSkip },
  () =>
    withTwoHosts(async (world, hosts) => {
      await world.pushWeb("1.0.0");
      await pass(world, "done");
      await world.pushWeb("2.0.0");
      await pass(world, "done");
      await rollBack(world, "done");
      assert.deepEqual(await currents(world), ["1.0.0", "1.0.0"]);
      assert.deepEqual(await publishedState(world), ["Stalled", "RolledBack"], "said at once, not with the next pass");
      await assert.rejects(rollBack(world, "done"), { code: "nothing-to-roll-back" });
      await pass(world, "stalled");
      assert.deepEqual(
        await currents(world),
        ["1.0.0", "1.0.0"],
        "git still asks for 2.0.0, and nobody brings it back (P16)",
      );

      await withMemory(world, (memory) => holdHost(memory, { host: hosts[1], ...act }));
      await withMemory(world, (memory) => retryVersion(memory, { component: "web", ...act }));
      const { plan } = await pass(world, "done");
      assert.deepEqual(
        plan.held.map(({ host, reason }) => [host, reason]),
        [[hosts[1], "held"]],
      );
      assert.deepEqual(await currents(world), ["2.0.0", "1.0.0"]);
      await withMemory(world, (memory) => resumeHost(memory, { host: hosts[1], ...act }));
      await pass(world, "done");
      assert.deepEqual(await currents(world), ["2.0.0", "2.0.0"]);
      const stopped = rollBack(world, "done", (event) => {
        if (event.kind === "step-ended" && event.step === "confirm.1") throw new Error("stopped here");
      });
      await assert.rejects(stopped, /stopped here/);
      assert.deepEqual(await currents(world), ["1.0.0", "2.0.0"]);
      await rollBack(world, "done");
      assert.deepEqual(await currents(world), ["1.0.0", "1.0.0"], "also on the host that got it in a run of its own");
      const said = await journalText(world);
      assert.ok(said.includes("anna") && said.includes("it looks wrong"), "who and why is kept");
    }),
);

test("rollback of a run that a controller left open undoes what it did and ends it (P6)", { skip: loopbackSkip }, () =>
  withTwoHosts(async (world) => {
    await world.pushWeb("1.0.0");
    await pass(world, "done");
    await world.pushWeb("2.0.0");
    const stopped = world.reconcile({
      onEvent(event) {
        if (event.kind === "step-ended" && event.step === "confirm.1") throw new Error("stopped here");
      },
    });
    await assert.rejects(stopped, /stopped here/);
    assert.deepEqual(await currents(world), ["2.0.0", "1.0.0"]);
    // Nothing is to be sent any more, so nothing is asked of the artifact repository.
    await rename(join(world.home, "artifacts"), join(world.home, "gone"));
    await rollBack(world, "rolled-back");
    await rename(join(world.home, "gone"), join(world.home, "artifacts"));
    assert.deepEqual(await currents(world), ["1.0.0", "1.0.0"]);
    await pass(world, "stalled");
  }),
);

test(
  "F28, R6: a link that somebody moved by hand is reported and left alone, and healed only where the policy says so",
  { skip: loopbackSkip },
  () =>
    withTwoHosts(async (world, [first = ""]) => {
      await world.pushWeb("1.0.0");
      await pass(world, "done");
      await world.pushWeb("2.0.0");
      await pass(world, "done");
      const [host] = world.lab.hosts;
      assert.ok(host);
      await host.run(["ln", "-sfn", "versions/1.0.0", `${host.prefix}/srv/cutover/web/current`]);
      const { plan } = await pass(world, "stalled");
      assert.deepEqual(
        plan.held.map(({ host: name, reason }) => [name, reason]),
        [[first, "drifted"]],
      );
      assert.match(plan.held[0]?.evidence ?? "", /current is 1\.0\.0, but 2\.0\.0 was committed last/);
      assert.deepEqual(await currents(world), ["1.0.0", "2.0.0"], "not overwritten");
      const policy = { apiVersion: "cutover/v1", kind: "Policy", name: "default", canaries: 1, batchSize: 2 };
      await world.push({ "policy.yaml": { ...policy, drift: "heal" } });
      await pass(world, "done");
      assert.deepEqual(await currents(world), ["2.0.0", "2.0.0"]);
    }),
);

const policyPromises = {
  auto: "the failed batch goes back, the batches before it stay",
  release: "a failure in the second batch takes the first back as well",
  manual:
    "nothing is undone by the controller; the failed host's own deadline still takes it back (P8), and a retry switches it again",
};

for (const [policy, outcome, test] of [
  ["auto", "rolled-back", inFullForm], // task-control.test.ts has it too
  ["release", "rolled-back", registered],
  ["manual", "waiting", registered],
] as const)
  test(`R14: rollback_policy ${policy}: ${policyPromises[policy]}`, { skip: loopbackSkip }, () =>
    withLoopbackLab(2, (lab) =>
      withAnsweringServices(lab.hosts, (services) =>
        withWorld(
          lab,
          async (world) => {
            const [first, second] = lab.hosts;
            assert.ok(first && second);
            for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
            await world.pushWeb("1.0.0");
            await pass(world, "done");
            await world.pushWeb("2.0.0", { rollback_policy: policy });
            services.status.set(second.name, 500);
            const { run } = await pass(world, outcome);
            assert.match(run?.waits?.message ?? run?.state.reason ?? "", /switch\.2 failed on host-2/);
            await afterPolicy[policy](world, second);
            if (policy !== "manual") return void (await pass(world, "stalled"));
            await pass(world, "waiting");
            services.status.set(second.name, 200);
            await cutoverCommand(world)(
              0,
              "task",
              "retry",
              `${second.name}/web/health`,
              "--reason",
              "it answers again",
            );
            assert.deepEqual(await currents(world), ["2.0.0", "2.0.0"]);
            await pass(world, "in-sync");
          },
          judged(services),
        ),
      ),
    ),
  );

const afterPolicy: Readonly<Record<keyof typeof policyPromises, (world: World, failed: LabHost) => Promise<void>>> = {
  auto: async (world) => assert.deepEqual(await currents(world), ["2.0.0", "1.0.0"]),
  release: async (world) => assert.deepEqual(await currents(world), ["1.0.0", "1.0.0"]),
  async manual(world, failed) {
    assert.deepEqual(await currents(world), ["2.0.0", "2.0.0"], "before its deadline");
    await deadlineComes({ state: failed.stateDirectory });
    await until("the way back", 120_000, async () => (await currents(world)).join() === "2.0.0,1.0.0");
  },
};

function judged({ port }: AnsweringServices): Record<string, unknown> {
  const check = {
    kind: "http",
    url: `http://self:${port}/`,
    samples: 3,
    maxFailures: 0,
    intervalMs: 1,
    withinSeconds: 20,
  };
  return { ...filesOnly, health: [check], deadlineSeconds: 600 };
}

inFullForm(
  "R17: a release that spoils declared data and fails its check goes back with the data as it was before",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withAnsweringServices(lab.hosts, (services) =>
        withWorld(
          lab,
          async (world) => {
            const [host] = lab.hosts;
            assert.ok(host);
            const settings = `${host.prefix}/srv/cutover/settings`;
            for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
            await world.pushWeb("1.0.0");
            await pass(world, "done");
            writeFileSync(settings, "format 1\n");
            services.status.set(host.name, 500);
            await world.pushWeb("2.0.0");
            await pass(world, "rolled-back", (event) => {
              if (event.kind !== "task" || event.event.state !== "done" || event.event.action !== "do") return;
              if (event.event.task === `${host.name}/web/switch`) writeFileSync(settings, "format 2, half converted\n");
            });
            assert.equal(await readFile(settings, "utf8"), "format 1\n");
            assert.deepEqual(await currents(world), ["1.0.0", "1.0.0"]);
          },
          { ...judged(services), backup: ["/srv/cutover/settings"], deadlineSeconds: 60 },
        ),
      ),
    ),
);

inFullForm(
  "R28: a component goes before what depends on it, on every host, and on the way back after it, also when its tree is the same in both versions",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) => {
      const contracts = ["base", "web"].map((name) => ({
        ...document,
        ...filesOnly,
        name,
        root: `/srv/cutover/${name}`,
      }));
      return withHome(lab, { contracts, policy: { batchSize: 2 }, enrolment, retire }, async (world) => {
        // `base` has the same tree in both versions.
        const release = (version: string) => ({
          ...{ apiVersion: "cutover/v1", kind: "Release", name: "shop", policy: "default" },
          components: [
            { name: "web", version, depends_on: ["base"] },
            { name: "base", version },
          ],
        });
        for (const version of ["1.0.0", "2.0.0"])
          for (const contract of contracts)
            await world.publish(
              contract,
              version,
              await treeOf(world, contract.name === "web" ? version : "unchanged"),
            );
        await world.push({ "release.yaml": release("1.0.0") });
        await pass(world, "done");
        await world.push({ "release.yaml": release("2.0.0") });
        assert.deepEqual(
          await orderOfSwitches((onEvent) => pass(world, "done", onEvent)),
          forEach(lab, ["base", "web"]),
        );
        assert.deepEqual(
          await orderOfSwitches((onEvent) => rollBack(world, "done", onEvent)),
          forEach(lab, ["web", "base"]),
        );
      });
    }),
);

async function treeOf({ directory }: Home, version: string): Promise<string> {
  const tree = join(directory, "trees", version);
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "version"), version);
  return tree;
}

const document = { apiVersion: "cutover/v1", kind: "Component" };

function forEach(lab: Lab, order: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(lab.hosts.map(({ name }) => [name, order]));
}

async function orderOfSwitches(
  work: (onEvent: (event: JournalEvent) => void) => Promise<unknown>,
): Promise<Record<string, string[]>> {
  const order: Record<string, string[]> = {};
  await work((event) => {
    if (event.kind !== "task" || event.event.state !== "done") return;
    const [host = "", component = "", task] = event.event.task.split("/");
    if (task === "switch") order[host] = [...(order[host] ?? []), component];
  });
  return order;
}

// ---- what the tests do and look at

function withTwoHosts(body: (world: World, hosts: readonly string[]) => Promise<void>): Promise<void> {
  return withLoopbackLab(2, (lab) =>
    withWorld(
      lab,
      async (world) => {
        for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
        await body(world, lab.hosts.map(({ name }) => name)); // biome-ignore format: one line
      },
      filesOnly,
    ),
  );
}

async function pass(world: Home, outcome: string, onEvent: (event: JournalEvent) => void = () => {}) {
  const { results } = await world.reconcile({ onEvent });
  const [result] = results;
  assert.ok(result);
  assert.equal(result.outcome, outcome, result.run?.state.reason);
  return result;
}

/** Beside a running controller, as the commands do it. */
async function withMemory(world: Home, work: (memory: Awaited<ReturnType<typeof openJournal>>) => Promise<unknown>) {
  const memory = await openJournal(world.config);
  try {
    await work(memory);
  } finally {
    await memory.close();
  }
}

async function rollBack(world: Home, outcome: string, onEvent: (event: JournalEvent) => void = () => {}) {
  const { state } = await world.withController((controller) =>
    withLease(controller, { takeOver: false, signal: AbortSignal.timeout(240_000) }, (lease, signal) =>
      rollBackRelease({ controller, lease, watcher: { onEvent, onBytes: () => {} }, signal, ...act }),
    ),
  );
  assert.equal(state.outcome, outcome, state.reason);
}

async function publishedState(world: Home): Promise<string[]> {
  let state: string[] = [];
  await withMemory(world, async ({ journal, settings }) => {
    const { releases, lastRun } = await readStatus(journal, settings);
    const [status] = releases;
    assert.ok(status);
    assert.equal(status.run, lastRun?.run);
    const { type, reason } = stateOf(status);
    state = [type, reason];
  });
  return state;
}

/** What `current` of `web` names, host by host. */
async function currents(world: Home): Promise<string[]> {
  return Promise.all(world.lab.hosts.map((host) => currentOf(host, "/srv/cutover/web")));
}

async function journalText(world: Home): Promise<string> {
  const { journal, close } = await openJournal(world.config);
  try {
    const streams = await journal.streams("");
    return JSON.stringify(await Promise.all(streams.map((stream) => journal.read(stream))));
  } finally {
    await close();
  }
}
