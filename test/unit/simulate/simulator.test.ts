// What the simulator itself promises: the same seed is the same world, faults strike, failures are found and made small.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeScenario } from "../../../src/simulate/make-scenario.ts";
import { makeRandom } from "../../../src/simulate/random.ts";
import { runScenario } from "../../../src/simulate/run-scenario.ts";
import { type Fault, faultKinds, type Scenario } from "../../../src/simulate/scenario.ts";
import { shrink } from "../../../src/simulate/shrink.ts";

async function logOf(scenario: Scenario): Promise<string[]> {
  const log: string[] = [];
  await runScenario(scenario, (line) => void log.push(line));
  return log;
}

test("the same seed gives the byte-identical event log (P12)", async () => {
  for (const seed of [1, 42, 4_711, 90_210]) {
    const [first, second] = [await logOf(makeScenario({ seed })), await logOf(makeScenario({ seed }))];
    assert.ok(first.length > 20);
    assert.deepEqual(first, second);
  }
});

test("leaving a fault out changes nothing that happened before it would have struck", async () => {
  const base = makeScenario({ seed: 5, faults: [] });
  const at = 900;
  const faults: Fault[] = [{ kind: "kill", at }];
  const before = (log: readonly string[]) => log.filter((line) => Number.parseInt(line, 10) < at);
  assert.deepEqual(before(await logOf({ ...base, faults })), before(await logOf(base)));
});

test("numbers from the same words are the same, and from others are others", () => {
  const draw = (...words: (string | number)[]) => {
    const random = makeRandom(...words);
    return [...Array(8).keys()].map(() => random.below(1_000));
  };
  assert.deepEqual(draw(1, "host", "h1"), draw(1, "host", "h1"));
  assert.notDeepEqual(draw(1, "host", "h1"), draw(1, "host", "h2"));
});

test("every kind of fault strikes in some of the first seeds, and can be asked for alone", () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 300; seed++) for (const { kind } of makeScenario({ seed }).faults) seen.add(kind);
  assert.deepEqual([...seen].sort(), [...faultKinds].sort());
  for (let seed = 1; seed <= 50; seed++)
    for (const { kind } of makeScenario({ seed, faults: ["reboot"] }).faults) assert.equal(kind, "reboot");
});

test("a world without faults ends with every host on what git asks for, in one run of each release", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const scenario = makeScenario({ seed, faults: [] });
    const moving = new Set(scenario.components.flatMap(({ name, from, to }) => (from === to ? [] : name)));
    const { releases = [[...moving]] } = scenario;
    const most = releases.filter((names) => names.some((name) => moving.has(name))).length;
    const { violation, runs } = await runScenario(scenario);
    assert.equal(violation, undefined, `seed ${seed}`);
    // What two releases ask for is brought by one of them.
    assert.ok(runs <= most && runs >= Math.min(moving.size, 1), `seed ${seed}: ${runs} runs, at most ${most}`);
  }
});

test("a failing world is made as small as it can be, and still fails for the same promise", async () => {
  // A fault that the engine cannot make good: somebody who changes `current` and is not known for it.
  const whole = { ...makeScenario({ seed: 11, hosts: 6, faults: [] }) };
  const faults: Fault[] = [
    { kind: "clock-jump", at: 10, byMs: 1_000 },
    { kind: "kill", at: 700 },
    { kind: "drift", host: "h2", component: "database", at: 200_000 },
    { kind: "slow", host: "h3", at: 5, forMs: 2_000, factor: 3 },
  ];
  const breaks = (scenario: Scenario) => scenario.faults.some(({ kind }) => kind === "drift");
  const run = async (scenario: Scenario) => {
    const result = await runScenario(scenario);
    const what = { promise: "P1", title: "t", what: "w", at: 1 };
    return { ...result, violation: breaks(scenario) ? what : undefined };
  };
  const violation = { promise: "P1", title: "t", what: "w", at: 1 };
  const small = await shrink({ scenario: { ...whole, faults }, violation }, { run });
  assert.deepEqual(small.scenario.faults, [faults[2]]);
  assert.deepEqual(small.scenario.hosts.map(({ name }) => name), ["h2"]); // biome-ignore format: one line
});
