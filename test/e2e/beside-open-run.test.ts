// A run is open, at a gate, stepped half-way, or of another release: what a part of a plan, and a look at the plan, do beside it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openJournal } from "../../src/wiring.ts";
import { type Command, cutoverHere } from "../support/cutover-command.ts";
import { inFullForm } from "../support/full-form.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withProjects } from "../support/with-projects.ts";
import { type World, withWorld } from "../support/with-world.ts";

const filesOnly = { manager: "none", switch: { strategy: "none" }, health: [], env: {}, deadlineSeconds: 120 };
const gate = { kind: "gate", name: "look", afterBatch: 1, reason: "someone looks at the graphs" };
const edits = { apiVersion: "cutover/v1", kind: "PlanEdit", name: "november", release: "web", edits: [gate] };

function withGate(body: (world: World, cutover: Command) => Promise<void>): Promise<void> {
  return withLoopbackLab(3, (lab) =>
    withWorld(
      lab,
      async (world) => {
        await world.publishWeb("1.0.0");
        await world.push({ "edits.yaml": edits });
        await world.pushWeb("1.0.0");
        await body(world, cutoverHere(world));
      },
      filesOnly,
    ),
  );
}

inFullForm(
  "at a gate, a part of the plan is refused with the run's name and the way on, and a look at the plan shows the run as it stands (R29, R36)",
  { skip: loopbackSkip },
  () =>
    withGate(async (world, cutover) => {
      await cutover(2, "reconcile", "--once");
      const before = await tasksOf(world);
      const refused = await cutover(4, "reconcile", "--once", "--slice", "host=host-3");
      assert.match(refused.text, /web has an open run: run r\S+ waits at gate look: someone looks at the graphs/);
      assert.match(refused.text, /next: cutover gate open r\S+ look --reason …/);
      assert.deepEqual(await tasksOf(world), before, "nothing was driven");

      const behind = "nothing of this slice is left to do before its open run has ended";
      const past = await cutover(2, "reconcile", "--once", "--slice", "task=check");
      assert.match(
        past.text,
        new RegExp(`^web: under way \\(GateClosed\\)\n {2}${behind}: run r\\S+ waits at gate look`, "m"),
      );
      const planned = await cutover(2, "plan", "--slice", "task=check");
      assert.match(
        planned.text,
        new RegExp(`^web: ${behind} \\(GateClosed\\): .*\nnext: cutover gate open r\\S+ look`, "m"),
      );
      assert.doesNotMatch(planned.text, /reconcile|hosts change|no release/);
      assert.deepEqual(await tasksOf(world), before, "nothing was driven");

      const part = await cutover(4, "plan", "--slice", "host=host-3");
      assert.match(
        part.text,
        /^commit .*\ncannot be run now: web has an open run \(GateClosed\): run r\S+ waits at gate look/,
      );
      assert.doesNotMatch(part.text, /next: cutover reconcile/);
      assert.match(part.text, /leaves, for the rest of the plan: all of web on 2 hosts/);

      const shown = await cutover(2, "plan");
      assert.match(
        shown.text,
        /web has an open run \(GateClosed\): run r\S+ waits at gate look: someone looks at the graphs/,
      );
      assert.match(shown.text, /next: cutover gate open r\S+ look --reason …/);
      assert.match(shown.text, /web: 3 of 3 hosts change|web: 3 hosts change/, "the plan that the run carries out");
      assert.doesNotMatch(shown.text, /next: cutover reconcile/);
      const book = await cutover(2, "plan", "--book");
      assert.match(book.text, /switch\.1 +web switch +done/);
      const { openRuns } = JSON.parse((await cutover(2, "plan", "--json")).stdout);
      assert.deepEqual(
        openRuns.map(({ release, standing }: Record<string, unknown>) => [release, standing]),
        [["web", "gate"]],
      );

      await cutover(0, "gate", "open", "web", "look", "--reason", "graphs are flat");
      await cutover(0, "reconcile", "--once");
      assert.doesNotMatch((await cutover(0, "plan")).text, /open run|gate open/);
    }),
);

inFullForm(
  "beside a run of older documents the plan shows that run, and that what newer ones ask for waits for it",
  { skip: loopbackSkip },
  () =>
    withGate(async (world, cutover) => {
      await cutover(2, "reconcile", "--once");
      await world.publishWeb("2.0.0");
      await world.pushWeb("2.0.0");
      const { text } = await cutover(2, "plan");
      assert.match(text, /as run r\S+ carries it out/);
      assert.match(text, /newer documents wait: what commit [0-9a-f]{12} asks for is planned once run r\S+ has ended/);
      assert.doesNotMatch(text, /2\.0\.0/, "no plan that nothing carries out");
      const { plans, outdated } = JSON.parse((await cutover(2, "plan", "--json")).stdout);
      assert.deepEqual(outdated, [{ release: "web", run: text.match(/as run (r\S+)/)?.[1] }]);
      assert.deepEqual(plans.map(({ changes }: { changes: { to: string }[] }) => changes[0]?.to), ["1.0.0"]); // biome-ignore format: one line
    }),
);

test(
  "stepped half-way, a part of the plan is refused; a run of that very part goes on, and no other",
  { skip: loopbackSkip },
  () =>
    withGate(async (world, cutover) => {
      await cutover(2, "step");
      const before = await tasksOf(world);
      const refused = await cutover(4, "reconcile", "--once", "--slice", "task=check");
      assert.match(refused.text, /web has an open run: run r\S+ has not ended; it is at distribute/);
      assert.match(refused.text, /next: cutover step, or cutover reconcile --once for the rest/);
      assert.deepEqual(await tasksOf(world), before, "nothing was driven");
      assert.match(
        (await cutover(2, "plan")).text,
        /web has an open run \(RunOpen\): run r\S+ has not ended; it is at distribute\nnext: cutover step/,
      );
      await cutover(2, "reconcile", "--once");
      await cutover(0, "gate", "open", "web", "look", "--reason", "graphs are flat");
      await cutover(0, "reconcile", "--once");

      await world.publishWeb("2.0.0");
      await world.pushWeb("2.0.0");
      const slice = ["reconcile", "--once", "--slice", "host=host-1", "--slice", "host=host-2"];
      await cutover(2, ...slice);
      await cutover(4, "reconcile", "--once", "--slice", "host=host-1");
      await cutover(0, "gate", "open", "web", "look", "--reason", "graphs are flat");
      const went = await cutover(2, "reconcile", "--once", "--slice", "host=host-2", "--slice", "host=host-1");
      assert.match(went.text, /goes on where it was/);
      assert.match(
        went.text,
        /web: done, and more is to come \(Pending\) \(run r\S+\)\n.*the rest is still to come: host-3 web: pending/,
      );
      assert.equal((await runsOf(world)).length, 2, "the run of the slice went on, and no other was begun");
      assert.deepEqual(await currents(world), ["2.0.0", "2.0.0", "1.0.0"]);
    }),
);

inFullForm(
  "the run of a part goes on as that part, also when other documents came since, and begins nothing of those (P12)",
  { skip: loopbackSkip },
  () =>
    withGate(async (world, cutover) => {
      const open = () => cutover(0, "gate", "open", "web", "look", "--reason", "graphs are flat");
      await cutover(2, "reconcile", "--once");
      await open();
      await cutover(0, "reconcile", "--once");
      await world.publishWeb("2.0.0");
      await world.pushWeb("2.0.0");
      const slice = ["reconcile", "--once", "--slice", "host=host-1", "--slice", "host=host-2"];
      await cutover(2, ...slice);
      await open();
      await world.publishWeb("3.0.0");
      await world.pushWeb("3.0.0");
      assert.match((await cutover(2, "plan", ...slice.slice(2))).text, /web has an open run \(RunOpen\)/);
      const went = await cutover(2, ...slice);
      assert.match(
        went.text,
        /web: done, and more is to come \(Pending\) \(run r\S+\)\n.*newer documents ask for is still to come/,
      );
      assert.equal((await runsOf(world)).length, 2, "no other run was begun");
      assert.deepEqual(await currents(world), ["2.0.0", "2.0.0", "1.0.0"]);
    }),
);

inFullForm(
  "a part of one release runs beside the open run of another, which stays where it stands (R33)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withProjects(lab, { versions: { a: ["1.0.0"], c: ["1.0.0"] } }, async (world) => {
        const cutover = cutoverHere(world);
        await world.openGates(["a", "c"]);
        await world.push({ "one.yaml": world.project("one", { a: "1.0.0", c: "1.0.0" }, { c: ["a"] }) });
        const alone = (await cutover(2, "plan", "--slice", "component=c")).text;
        assert.match(alone, /cannot be run alone: c comes after a/);
        assert.match(alone, /^next: run that first, or take it in with another --slice beside this one$/m);
        assert.match(
          (await cutover(2, "plan", "--slice", "component=a")).text,
          /^next: cutover reconcile --once --slice/m,
        );
        await world.push({ "one.yaml": world.project("one", { a: "1.0.0" }) });
        await cutover(2, "step");
        await world.push({ "one.yaml": world.project("one", { a: "1.0.0", c: "1.0.0" }) });
        const joins = (await cutover(2, "plan")).text;
        assert.match(joins, /^one: 2 of 2 hosts change, 1 component.*\n(?:.*\n)*next: cutover step, or .*\nnext: cutover reconcile --once\n/m); // biome-ignore format: one line
        await world.push({
          "one.yaml": world.project("one", { a: "1.0.0" }),
          "two.yaml": world.project("two", { c: "1.0.0" }),
        });
        const before = await runsOf(world);
        const went = await cutover(0, "reconcile", "--once", "--slice", "component=c");
        assert.match(went.text, /two: done \(run r\S+\)/);
        assert.doesNotMatch(went.text, /goes on where it was|^one:/m);
        assert.equal((await runsOf(world)).length, before.length + 1);
        for (const host of lab.hosts) assert.equal(await world.current(host, "c"), "1.0.0");
        await cutover(4, "reconcile", "--once", "--slice", "component=a");
        assert.match(
          (await cutover(4, "plan", "--slice", "component=a")).text,
          /cannot be run now: one has an open run/,
        );
        await cutover(0, "reconcile", "--once");
      }),
    ),
);

inFullForm(
  "what the run of another release claims waits for that run: the plan says so as the pass does, and shows none that no pass begins (R33)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withProjects(lab, { versions: { a: ["1.0.0", "2.0.0"], c: ["1.0.0"] } }, async (world) => {
        const cutover = cutoverHere(world);
        await world.openGates(["a", "c"]);
        await world.push({ "one.yaml": world.project("one", { a: "1.0.0", c: "1.0.0" }) });
        await cutover(2, "step");
        const [run] = (await runsOf(world)).map((stream) => stream.replace("run/", ""));
        await world.push({
          "one.yaml": world.project("one", { c: "1.0.0" }),
          "three.yaml": world.project("three", { a: "2.0.0" }),
        });
        const waits = new RegExp(
          `^three: waiting \\(Claimed\\)\n {2}a on host-1, host-2 is claimed by run ${run} of release one, since .*\nnext: cutover status$`,
          "m",
        );
        for (const words of [
          ["plan"],
          ["plan", "--slice", "component=a"],
          ["reconcile", "--once", "--slice", "component=a"],
        ]) {
          const { text } = await cutover(2, ...words);
          assert.match(text, waits, words.join(" "));
          assert.doesNotMatch(text, /2\.0\.0|next: cutover reconcile --once --slice/, "no plan that nothing begins");
        }
        const { waiting } = JSON.parse((await cutover(2, "plan", "--json")).stdout);
        assert.deepEqual(waiting.map(({ release, reason, by }: Record<string, unknown>) => [release, reason, by]), [["three", "Claimed", [run]]]); // biome-ignore format: one line

        // The way back of a release holds what it asks for, too.
        await cutover(0, "reconcile", "--once");
        await asWayBack(world, run ?? "");
        const back = await cutover(2, "plan", "--json");
        const { outdated, plans } = JSON.parse(back.stdout);
        assert.deepEqual(outdated, [{ release: "one", run: "back" }]);
        assert.equal(
          plans.filter(({ release }: { release: string }) => release === "one").length,
          1,
          "that of the way back",
        );
        assert.match(
          (await cutover(2, "plan")).text,
          /on its way back: what commit [0-9a-f]{12} asks for is planned once run back has ended/,
        );
      }),
    ),
);

/** As a rollback leaves it that was stopped right after its start: a run that goes back from what this one brought. */
const asWayBack = (world: Pick<World, "config">, wayBackOf: string) =>
  withJournal(world, async (journal) => {
    const [planned] = await journal.read(`run/${wayBackOf}`, ["run-planned"]);
    assert.ok(planned?.kind === "run-planned");
    const changes = planned.plan.changes.map((change) => ({ ...change, from: change.to, to: "0.9.0" }));
    const plan = { ...planned.plan, changes };
    await journal.append([{ ...planned, stream: "run/back", sequence: 1, plan, wayBackOf }]);
  });

async function withJournal<T>(
  { config }: Pick<World, "config">,
  read: (journal: Awaited<ReturnType<typeof openJournal>>["journal"]) => Promise<T>,
): Promise<T> {
  const { journal, close } = await openJournal(config);
  try {
    return await read(journal);
  } finally {
    await close();
  }
}

const runsOf = (world: Pick<World, "config">) => withJournal(world, (journal) => journal.streams("run/"));

/** What hosts have done in the newest run. */
const tasksOf = (world: World) =>
  withJournal(world, async (journal) => {
    const events = await journal.read((await journal.streams("run/")).at(-1) ?? "", [
      "task",
      "delivered",
      "run-resumed",
    ]);
    return events.map((event) => (event.kind === "task" ? `${event.event.task} ${event.event.state}` : event.kind));
  });

async function currents(world: World): Promise<string[]> {
  const links = world.lab.hosts.map(({ prefix, run }) => run(["readlink", `${prefix}/srv/cutover/web/current`]));
  return (await Promise.all(links)).map(({ stdout }) => stdout.trim().replace("versions/", ""));
}
