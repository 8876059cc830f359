// What holds for every plan, whatever git asks, hosts report and people edit: over random worlds, each with its own oracle.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Plan, Step } from "../../../src/model/plan.ts";
import type { PlanInput } from "../../../src/plan/make-plan.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { parseSlice, type SliceTerm } from "../../../src/plan/parse-slice.ts";
import { slicePlan } from "../../../src/plan/slice-plan.ts";
import { applyPlan } from "../../support/apply-plan.ts";
import { arbitraryWorld, hostNames, labelsOfWorld, planOrRefusal, worldInput } from "../../support/arbitrary-world.ts";
import type { World } from "../../support/plan-input.ts";

const settings = { numRuns: 300 };

/** Runs on every world that can be planned, and fails when those are too few to say anything. */
function forEveryPlan(check: (plan: Plan, input: PlanInput, world: World) => void): void {
  let planned = 0;
  fc.assert(
    fc.property(arbitraryWorld, (world) => {
      const input = worldInput(world);
      const plan = planOrRefusal(input);
      if (plan === undefined) return;
      planned += plan.changes.length > 0 ? 1 : 0;
      check(plan, input, world);
    }),
    settings,
  );
  assert.ok(planned > settings.numRuns / 4, `only ${planned} plans with changes`);
}

test("order respects every edge: requires and consumes, on one host and between machines, edited by hand or not (R28, R36, R39)", () => {
  forEveryPlan(({ steps }, { release }) => {
    for (const { early, late } of orderedPairs(steps, release)) {
      const isFirst = early.step < late.step || (early.step === late.step && early.host === late.host && early.group < late.group); // biome-ignore format: one line
      assert.ok(isFirst, `${early.component} on ${early.host} before ${late.component} on ${late.host}`);
    }
  });
});

test("every desired difference is covered exactly once, or left alone by name; nothing else is touched", () => {
  forEveryPlan((plan, { release, observations }) => {
    const count = (list: readonly { host: string; component: string }[], host: string, component: string) =>
      list.filter((each) => each.host === host && each.component === component).length;
    const tasks = plan.steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
    const once = ["distribute", "build", "check", "switch", "confirm", "commit"] as const;
    for (const { name, targets } of release.components) {
      for (const { host, version, excluded } of targets) {
        const observation = observations.get(host);
        const seen = observation?.kind === "observed" ? observation.components.find(({ component }) => component === name) : undefined; // biome-ignore format: one line
        const isSettled = seen?.current === version && seen.committed === version && seen.state === "committed";
        const isHeld = plan.held.some((each) => each.host === host && (each.component ?? name) === name) || plan.held.some((each) => each.host === host && !isPartHold(each, release)); // biome-ignore format: one line
        const [now, later] = [count(plan.changes, host, name), count(plan.waiting, host, name)];
        assert.ok(now + later <= 1, `${host} ${name}: ${now} changes, ${later} waiting`);
        if (excluded !== undefined || isSettled) assert.equal(now, 0, `${host} ${name} is not asked for`);
        else assert.equal(now, isHeld ? 0 : 1, `${host} ${name}`);
        const mine = tasks.filter((task) => task.host === host && task.component === name && task.action === "do");
        const counts = once.map((kind) => mine.filter((task) => task.kind === kind).length);
        const isThere = seen?.current === version;
        assert.deepEqual(counts, now === 0 ? [0, 0, 0, 0, 0, 0] : isThere ? [0, 0, 0, 0, 0, 1] : [1, 1, 1, 1, 1, 1], `${host} ${name}`); // biome-ignore format: one line
      }
    }
  });
});

test("planning again after the plan has been carried out finds nothing to do (R5)", () => {
  forEveryPlan((plan, input) => {
    const after = makePlan(applyPlan(input, plan));
    assert.deepEqual([after.changes, after.steps], [[], []]);
    assert.deepEqual(
      after.held.map(({ host, component }) => `${host} ${component}`),
      plan.held.map(({ host, component }) => `${host} ${component}`),
    );
  });
});

test("the same inputs in any order give the same bytes: components, edges, targets, hosts, observed parts, maps (P12)", () => {
  fc.assert(
    fc.property(arbitraryWorld, fc.infiniteStream(fc.nat()), (world, random) => {
      const input = worldInput(world);
      const again = shuffled(input, () => random.next().value);
      assert.equal(JSON.stringify(planOrRefusal(again)), JSON.stringify(planOrRefusal(input)));
    }),
    settings,
  );
});

const termsOf = (values: readonly string[], key: string): SliceTerm[] =>
  values.map((value) => parseSlice(`${key}=${value}`) ?? []);

test("slices by host, by component or by site together are the plan, each task in exactly one of them (R29)", () => {
  forEveryPlan((plan, _, world) => {
    const labelsOf = labelsOfWorld(world);
    const whole = wordsOf(plan);
    for (const terms of [
      termsOf(hostNames, "host"),
      termsOf(Object.keys(world.components), "component"),
      termsOf(["north", "south"], "site"),
    ]) {
      const parts = terms.flatMap((term) => slicePlan({ plan, terms: [term], labelsOf }) ?? []);
      assert.deepEqual(parts.flatMap((part) => wordsOf(part.plan)).sort(), [...whole].sort());
      assert.equal(new Set([plan.hash, ...parts.map((part) => part.plan.hash)]).size, parts.length + 1);
    }
    const all = slicePlan({ plan, terms: termsOf(["*"], "host"), labelsOf });
    assert.deepEqual(all?.plan.steps ?? [], plan.steps.slice(0, all === undefined ? 0 : lastWork(plan.steps) + 1));
    assert.deepEqual([all?.missing ?? [], all?.plan.slice?.brought ?? [], all?.plan.slice?.left ?? []], [[], [], []]);
  });
});

test("a slice can be carried out alone when nothing is missing before it, never leaves a trial open, and the rest follows (P8, R29)", () => {
  let alone = 0;
  const term = fc.constantFrom("phase=data-plane", "phase=control-plane", "phase=switch", "task=check", "task=switch", "task=commit", "component=api", "component=d*", "host=h1", "host=h2,component=cache", "site=north,task=build"); // biome-ignore format: one line
  fc.assert(
    fc.property(arbitraryWorld, fc.array(term, { minLength: 1, maxLength: 2 }), (world, texts) => {
      const input = worldInput(world);
      const plan = planOrRefusal(input);
      const terms = texts.map((text) => parseSlice(text) ?? []);
      const slice = plan && slicePlan({ plan, terms, labelsOf: labelsOfWorld(world) });
      if (plan === undefined || slice === undefined) return;
      const whole = new Set(wordsOf(plan));
      assert.ok(
        wordsOf(slice.plan).every((word) => whole.has(word)),
        "less, never more (P12)",
      );
      for (const [at, step] of slice.plan.steps.entries()) {
        if (step.kind !== "switch") continue;
        const next: Step | undefined = slice.plan.steps[at + 1];
        assert.deepEqual([next?.kind, next?.batch, next?.work.map(({ host }) => host)], ["confirm", step.batch, step.work.map(({ host }) => host)]); // biome-ignore format: one line
      }
      const chosen = new Set(switchPlaces(slice.plan.steps).map(({ host, component }) => `${host}/${component}`));
      const torn = orderedPairs(plan.steps, input.release).filter(({ early, late }) => chosen.has(`${late.host}/${late.component}`) && !chosen.has(`${early.host}/${early.component}`)); // biome-ignore format: one line
      assert.equal(slice.missing.length > 0, torn.length > 0, `${slice.missing}`);
      if (slice.missing.length > 0) return;
      alone += 1;
      const between = applyPlan(input, slice.plan);
      const rest = planOrRefusal(between);
      if (rest === undefined) return; // an edit counts batches, and the rest has others
      const after = makePlan(applyPlan(between, rest));
      assert.deepEqual(after.changes, []);
    }),
    settings,
  );
  assert.ok(alone > 50, `only ${alone} slices stood alone`);
});

/** Edits hold one component of a host and let the others go on. */
function isPartHold({ host, component, reason }: Plan["held"][number], { components }: PlanInput["release"]): boolean {
  const target = components.find(({ name }) => name === component)?.targets.find((each) => each.host === host);
  return reason === "held" && target?.held?.part === true;
}

/** Two switches of which one has to come first, by an edge of the release. */
function orderedPairs(steps: readonly Step[], { components }: PlanInput["release"]) {
  const places = switchPlaces(steps);
  const hostsOf = new Map(components.map(({ name, targets }) => [name, targets.map(({ host }) => host)]));
  const edges = components.flatMap(({ name, dependsOn, consumes = [] }) => [
    ...dependsOn.map((before) => ({ before, after: name, isHere: hostsOf.get(name)?.every((host) => hostsOf.get(before)?.includes(host)) === true })), // biome-ignore format: one line
    ...consumes.map((after) => ({ before: name, after, isHere: false })),
  ]);
  // Where an edge between machines keeps both from moving host by host, the plan moves all of the one before any of the other.
  const stepsOf = (name: string) => places.flatMap(({ component, step }) => (component === name ? [step] : []));
  const isFleetWide = (before: string, after: string) => Math.max(...stepsOf(before)) < Math.min(...stepsOf(after));
  return edges.flatMap(({ before, after, isHere: isLocal }) => {
    const isHere = isLocal && !isFleetWide(before, after);
    return places
      .filter(({ component }) => component === after)
      .flatMap((late) =>
        places
          .filter(({ component, host }) => component === before && (!isHere || host === late.host))
          .map((early) => ({ early, late })),
      );
  });
}

function switchPlaces(steps: readonly Step[]) {
  return steps.flatMap(({ work }, step) =>
    work.flatMap(({ host, groups }) =>
      groups.flatMap((tasks, group) =>
        tasks
          .filter(({ kind, action }) => kind === "switch" && action === "do")
          .map(({ component }) => ({ step, host, group, component })),
      ),
    ),
  );
}

function wordsOf({ steps }: Plan): string[] {
  return steps.flatMap(({ id, work }) =>
    work.flatMap(({ groups }) => groups.flat().map((task) => `${id} ${task.id} ${task.action}`)),
  );
}

function lastWork(steps: readonly Step[]): number {
  return steps.findLastIndex(({ work }) => work.length > 0);
}

function shuffled(input: PlanInput, next: () => number): PlanInput {
  const shuffle = <T>(items: Iterable<T>): T[] =>
    [...items]
      .map((item) => ({ item, key: next() }))
      .sort((a, b) => a.key - b.key)
      .map(({ item }) => item);
  return {
    ...input,
    release: {
      ...input.release,
      components: shuffle(input.release.components).map((component) => ({
        ...component,
        dependsOn: shuffle(component.dependsOn),
        ...(component.consumes === undefined ? {} : { consumes: shuffle(component.consumes) }),
        targets: shuffle(component.targets),
      })),
    },
    observations: new Map(
      shuffle(input.observations).map(([host, seen]) => [
        host,
        seen.kind === "observed" ? { ...seen, components: shuffle(seen.components) } : seen,
      ]),
    ),
    published: new Map(shuffle(input.published)),
    holds: new Map(shuffle(input.holds)),
    quarantined: new Map(shuffle(input.quarantined)),
  };
}
