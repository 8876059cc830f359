// Document 001, scenario 2 (R33): while project one upgrades A and B, project two upgrades C and D; whoever wants A meanwhile
// waits and is told for whom. On real hosts, by `cutover serve` and what is pushed to it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { passExitCode } from "../../src/cli/outcomes.ts";
import { runProgram } from "../../src/lab/run-program.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { inFullForm } from "../support/full-form.ts";
import { listenElsewhere, main, type ServeChild, spawnServe } from "../support/spawn-serve.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { type ProjectsWorld, withProjects } from "../support/with-projects.ts";

const components = ["a", "b", "c", "d", "e"];
const twoOf = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, ["1.0.0", "2.0.0"]]));

inFullForm(
  "R33: C and D join and end while A and B are in the middle of their switch, E of the first project joins too; who wants A waits for its run by name, and comes next",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withProjects(lab, { versions: { ...twoOf(components), a: ["1.0.0", "2.0.0", "3.0.0"] } }, async (world) => {
        await world.openGates(components);
        await world.push(everywhere(world, "1.0.0", { e: "1.0.0" }));
        await world.reconcile();
        await world.closeGates(["a", "b"]);
        await listenElsewhere(world.config);
        const serve = spawnServe(world.config);
        try {
          await world.push({ "one.yaml": world.project("one", { a: "2.0.0", b: "2.0.0", e: "1.0.0" }) });
          const one = await runOf(serve, "one");
          await until("A's switch on the canary", 60_000, async () => hasSwitched(serve, one, "a"));

          await world.push({ "two.yaml": world.project("two", { c: "2.0.0", d: "2.0.0" }) });
          const two = await runOf(serve, "two");
          await until("C and D to be done", 60_000, async () => ended(serve, two));

          await world.push({ "one.yaml": world.project("one", { a: "2.0.0", b: "2.0.0", e: "2.0.0" }) });
          await until("E to join", 60_000, async () => runsOf(serve, "one").length === 2);
          const [, joined = ""] = runsOf(serve, "one");
          await until("E to be done", 60_000, async () => ended(serve, joined));
          assert.ok(!ended(serve, one), "A and B are still in the middle of their switch");

          await world.push({
            "one.yaml": world.project("one", { b: "2.0.0", e: "2.0.0" }),
            "three.yaml": world.project("three", { a: "3.0.0" }),
          });
          await until("project three to be told", 60_000, async () => blockedMessage(serve, "three") !== undefined);
          assert.match(
            blockedMessage(serve, "three") ?? "",
            new RegExp(
              `^a on host-1, host-2 is claimed by run ${one} of release one, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC$`,
            ),
          );
          const status = await runProgram([process.execPath, main, "-c", world.config, "status"]);
          assert.match(
            status.stdout,
            new RegExp(`open run ${one} of one .*: a 2\\.0\\.0 and b 2\\.0\\.0 on host-1, host-2`),
          );
          assert.match(status.stdout, /three: Reconciling \(Claimed\): a on host-1, host-2 is claimed by run/);
          assert.equal(runsOf(serve, "three").length, 0);

          await world.openGates(["a", "b"]);
          const three = await runOf(serve, "three");
          await until("project three", 60_000, async () => ended(serve, three));
          assertOneAfterTheOther(serve, one, three);
          for (const host of lab.hosts)
            for (const [component, versions] of Object.entries(history))
              assert.deepEqual(await world.looked(host, component), versions, `${host.name} ${component}`);
        } finally {
          await world.openGates(components);
          await serve.stop();
        }
        const { results } = await world.reconcile();
        assert.deepEqual(results.map(({ release, outcome }) => `${release} ${outcome}`), ["one in-sync", "three in-sync", "two in-sync"]); // biome-ignore format: one line
      }),
    ),
);

/** One switch a version and host, nothing twice. */
const history = {
  a: ["1.0.0", "2.0.0", "3.0.0"],
  b: ["1.0.0", "2.0.0"],
  c: ["1.0.0", "2.0.0"],
  d: ["1.0.0", "2.0.0"],
  e: ["1.0.0", "2.0.0"],
};

test(
  "R33, F1: two projects of one pass run side by side; their controller is killed in the middle of both, the next one finishes both beside what was pushed meanwhile, every switch is done once",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withProjects(lab, { versions: { ...twoOf(components), e: ["2.0.0"] } }, async (world) => {
        await world.openGates(components);
        await world.push(everywhere(world, "1.0.0"));
        await world.reconcile();
        await world.closeGates(components);
        await listenElsewhere(world.config);
        const serve = spawnServe(world.config);
        const [host] = lab.hosts;
        assert.ok(host);
        try {
          await world.push(everywhere(world, "2.0.0"));
          await until("both runs to be in the middle of a switch", 60_000, async () => {
            const seen = await Promise.all(["a", "c"].map((component) => world.looked(host, component)));
            return seen.every((versions) => versions.includes("2.0.0"));
          });
        } finally {
          await serve.kill();
        }
        assert.ok(!serve.events.some(({ kind }) => kind === "run-ended"));
        await world.push(everywhere(world, "2.0.0", { e: "2.0.0" }));
        await world.openGates(components);
        const events: JournalEvent[] = [];
        const { resumed, results } = await world.reconcile({ onEvent: (event) => events.push(event) });
        assert.deepEqual(resumed.map(({ state }) => `${state.plan?.release} ${state.outcome}`), ["one done", "two done"]); // biome-ignore format: one line
        assert.deepEqual(results.map(({ outcome, state }) => `${outcome} ${state?.type}`), ["done Ready", "in-sync Ready"]); // biome-ignore format: one line
        assert.equal(passExitCode(results, resumed), 0);
        const [first, second] = resumed.map(({ run }) => events.filter(({ stream }) => stream === `run/${run}`));
        assert.ok(overlap(first ?? [], second ?? []), "both went on at the same time");
        for (const each of lab.hosts)
          for (const component of components) {
            const versions = component === "e" ? ["2.0.0"] : ["1.0.0", "2.0.0"];
            assert.deepEqual(await world.looked(each, component), versions, `${each.name} ${component}`);
            assert.equal(await world.current(each, component), "2.0.0");
          }
      }),
    ),
);

inFullForm(
  "R14, R33: a rollback of one project beside serve takes back that one only; the other goes on",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withProjects(lab, { versions: twoOf(["a", "c"]) }, async (world) => {
        const projects = (version: string) => ({
          "one.yaml": world.project("one", { a: version }),
          "two.yaml": world.project("two", { c: version }),
        });
        await world.openGates(components);
        await world.push(projects("1.0.0"));
        await world.reconcile();
        const soak = { apiVersion: "cutover/v1", kind: "Policy", name: "default", canaries: 1, soakSeconds: 600 };
        await listenElsewhere(world.config);
        const serve = spawnServe(world.config);
        try {
          await world.push({ "policy.yaml": soak, ...projects("2.0.0") });
          const [one, two] = [await runOf(serve, "one"), await runOf(serve, "two")];
          // Both canaries took it, and both runs watch them for ten minutes.
          await until("both confirms", 60_000, async () => [one, two].every((run) => hasConfirmed(serve, run)));
          const back = ["rollback", "two", "--reason", "wrong prices", "--json"];
          const said = await runProgram([process.execPath, main, "-c", world.config, ...back], { timeoutMs: 300_000 });
          assert.equal(said.exitCode, 0, said.stdout + said.stderr);
          assert.match(said.stdout, new RegExp(`"run":"${two}","outcome":"rolled-back"`));
          const [host] = lab.hosts;
          assert.ok(host);
          assert.deepEqual([await world.current(host, "a"), await world.current(host, "c")], ["2.0.0", "1.0.0"]);
          assert.ok(!of(serve, one).some(({ kind }) => kind === "run-ended" || kind === "rollback-started" || kind === "run-resumed")); // biome-ignore format: one line
          assert.equal(serve.exitCode(), null, "serve still runs");
        } finally {
          await serve.stop();
        }
      }),
    ),
);

test(
  "P7, R33: a run that waits for a silent host holds up only what it claims: another project goes through meanwhile",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withProjects(lab, { versions: twoOf(["a", "c"]), places: { a: ["host-1"], c: ["host-2"] } }, async (world) => {
        const project = (name: string, component: string, version: string) => ({
          [`${name}.yaml`]: world.project(name, { [component]: version }),
        });
        const [silent] = lab.hosts;
        assert.ok(silent);
        await world.openGates(components);
        await world.push({ ...project("one", "a", "1.0.0"), ...project("two", "c", "1.0.0") });
        await world.reconcile();
        await world.closeGates(["a"]);
        await world.push(project("one", "a", "2.0.0"));
        const passing = world.reconcile({ patienceMs: 1_500 });
        await until("the switch", 60_000, async () => (await world.looked(silent, "a")).includes("2.0.0"));
        await silent.stopSshd();
        const said = ({ results }: Awaited<typeof passing>) => results.map(({ release, outcome }) => `${release} ${outcome}`); // biome-ignore format: one line
        try {
          assert.deepEqual(said(await passing), ["one waiting", "two in-sync"]);
          await world.push(project("two", "c", "2.0.0"));
          assert.deepEqual(said(await world.reconcile({ patienceMs: 1_500 })), ["one waiting", "two done"]);
        } finally {
          await silent.startSshd();
          await world.openGates(["a"]);
        }
        const last = await world.reconcile();
        assert.deepEqual(last.resumed.map(({ state }) => state.outcome), ["done"]); // biome-ignore format: one line
        assert.deepEqual(said(last), ["one in-sync", "two in-sync"]);
      }),
    ),
);

test(
  "P12, R33: what hosts said before a run ended is not planned upon after it: nothing of what it brought begins again",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(1, (lab) =>
      withProjects(lab, { versions: twoOf(["a", "e"]) }, async (world) => {
        await world.openGates(components);
        await world.push({ "one.yaml": world.project("one", { a: "1.0.0", e: "1.0.0" }) });
        await world.reconcile();
        await world.push({ "one.yaml": world.project("one", { a: "2.0.0", e: "1.0.0" }) });
        await world.reconcile({ pace: "one-task" });
        await world.push({ "one.yaml": world.project("one", { a: "2.0.0", e: "2.0.0" }) });
        const events: JournalEvent[] = [];
        const hasEnded = async () => events.some(({ kind }) => kind === "run-ended");
        const { resumed, results } = await world.reconcile({
          onEvent: (event) => events.push(event),
          // What the host says first is on its way until the run that stood open has ended.
          wrapExecutor: (executor) => ({
            ...executor,
            async probe(host) {
              const said = await executor.probe(host);
              await until("the open run to end", 60_000, hasEnded);
              return said;
            },
          }),
        });
        assert.deepEqual(resumed.map(({ state }) => state.outcome), ["done"]); // biome-ignore format: one line
        assert.deepEqual(results.map(({ outcome, state }) => `${outcome} ${state?.type}`), ["done Ready"]); // biome-ignore format: one line
        const plans = events.flatMap((event) => (event.kind === "run-planned" ? [event.plan] : []));
        const changes = plans.map((plan) =>
          plan.changes.map(({ component, from, to }) => `${component} ${from} ${to}`),
        );
        assert.deepEqual(changes, [["e 1.0.0 2.0.0"]]);
      }),
    ),
);

inFullForm(
  "P12, R33: what had to wait for a run that ended while hosts were asked is planned upon what they say after it",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(1, (lab) =>
      withProjects(lab, { versions: twoOf(["a", "e"]) }, async (world) => {
        await world.openGates(components);
        const push = (a: string, e: string) => world.push({ "one.yaml": world.project("one", { a, e }, { e: ["a"] }) });
        await push("1.0.0", "1.0.0");
        await world.reconcile();
        await push("2.0.0", "1.0.0");
        await world.reconcile({ pace: "one-task" });
        await push("2.0.0", "2.0.0");
        const story: string[] = [];
        let isOver = false;
        await world.reconcile({
          onEvent({ kind }) {
            if (kind === "run-ended" || kind === "run-planned") story.push(kind);
          },
          wrapExecutor: (executor) => ({
            ...executor,
            async probe(host) {
              const isFirst = story.push("asked") === 1;
              const said = await executor.probe(host);
              if (isFirst) await until("the open run to be over", 60_000, async () => isOver);
              return said;
            },
            async close(host, run) {
              isOver ||= story.includes("run-ended");
              await executor.close(host, run);
            },
          }),
        });
        // Once for the status of that run.
        const since = story.slice(story.indexOf("run-ended") + 1, story.indexOf("run-planned"));
        assert.deepEqual(since, ["asked", "asked"], story.join(" "));
      }),
    ),
);

function hasConfirmed(serve: ServeChild, run: string): boolean {
  return of(serve, run).some((event) => event.kind === "host-ended" && event.step === "confirm.1");
}

function everywhere(world: ProjectsWorld, version: string, more = {}): Record<string, unknown> {
  return {
    "one.yaml": world.project("one", { a: version, b: version, ...more }),
    "two.yaml": world.project("two", { c: version, d: version }),
  };
}

const runsOf = ({ events }: ServeChild, release: string): string[] =>
  events.flatMap((event) => (event.kind === "run-planned" && event.plan.release === release ? [runIn(event)] : []));

const runIn = ({ stream }: JournalEvent): string => stream.replace("run/", "");

async function runOf(serve: ServeChild, release: string): Promise<string> {
  await until(`a run of ${release}`, 60_000, async () => runsOf(serve, release).length > 0);
  return runsOf(serve, release)[0] ?? "";
}

const of = (serve: ServeChild, run: string) => serve.events.filter((event) => runIn(event) === run);

function ended(serve: ServeChild, run: string): boolean {
  const end = of(serve, run).find((event) => event.kind === "run-ended");
  if (end?.kind === "run-ended") assert.equal(end.outcome, "done", end.reason);
  return end !== undefined;
}

function hasSwitched(serve: ServeChild, run: string, component: string): boolean {
  return of(serve, run).some(
    ({ ...event }) =>
      event.kind === "task" && event.event.task.endsWith(`/${component}/switch`) && event.event.state === "done",
  );
}

function blockedMessage({ passes }: ServeChild, release: string): string | undefined {
  const results = passes.flatMap((pass) => pass.results ?? []);
  return results.find((result) => result.release === release && result.trouble?.reason === "Claimed")?.trouble?.message;
}

function assertOneAfterTheOther(serve: ServeChild, first: string, second: string): void {
  const end = of(serve, first).at(-1)?.at ?? Number.POSITIVE_INFINITY;
  assert.ok((of(serve, second)[0]?.at ?? 0) >= end);
}

function overlap(one: readonly JournalEvent[], two: readonly JournalEvent[]): boolean {
  const [from, to] = [one[0]?.at ?? 0, one.at(-1)?.at ?? 0];
  return two.length > 1 && (two[0]?.at ?? 0) <= to && (two.at(-1)?.at ?? 0) >= from;
}
