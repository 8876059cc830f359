// Ways over stepping stones: the cheapest allowed one, against a look at every way there is (R16).
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { type Hop, hopProblem, type MappedVersion, upgradePath } from "../../../src/plan/upgrade-path.ts";

/** Ranges of this test are lists of versions. */
const takes = (version: string, range: string) => range.split(" ").includes(version);
const mapped = (version: string, from?: string, via: string[] = []): MappedVersion => ({
  version,
  sequence: 1,
  ...(from === undefined ? {} : { upgrade: { from, via } }),
});
const history = [
  mapped("1.0.0"),
  mapped("1.4.0", "1.0.0"),
  mapped("1.8.0", "1.0.0 1.4.0"),
  mapped("1.9.0", "1.8.0"),
  mapped("2.0.0", "1.4.0 1.8.0 1.9.0"),
] as const;
const [first, , , , last] = history;
const costs: Record<string, number> = {
  "1.0.0 1.4.0": 50,
  "1.0.0 1.8.0": 30,
  "1.4.0 2.0.0": 10,
  "1.8.0 2.0.0": 20,
  "1.8.0 1.9.0": 1,
  "1.9.0 2.0.0": 30,
};
const bytes = ({ from, to }: Hop) => costs[`${from.version} ${to.version}`] ?? 1_000;
const find = (more: Partial<Parameters<typeof upgradePath>[0]> = {}) =>
  upgradePath({ start: first, goal: last, stones: [...history].reverse(), takes, bytes, ...more });

test("the fewest bytes win; the direct way and the others are named with what speaks against them", () => {
  assert.deepEqual(find(), {
    hops: ["1.8.0", "2.0.0"],
    bytes: 50,
    rejected: [
      { way: "1.0.0 → 2.0.0", why: '2.0.0 takes hosts from "1.4.0 1.8.0 1.9.0" only' },
      { way: "1.4.0", why: "60 B in all" },
      // Over 1.8.0 it could be reached, but whoever is there goes straight on.
      { way: "1.9.0", why: '1.9.0 takes hosts from "1.8.0" only' },
    ],
  });
});

test("a stepping stone that the next version does not name, or that is quarantined, is passed by", () => {
  const named = mapped("2.0.0", "1.4.0 1.9.0", ["1.9.0"]);
  assert.deepEqual(find({ goal: named }).hops, ["1.8.0", "1.9.0", "2.0.0"]);
  // A host that came as far as 1.8.0 would go straight on to the goal, which wants nobody to come from there.
  assert.deepEqual(find({ goal: mapped("2.0.0", "1.8.0 1.9.0", ["1.9.0"]) }).hops, []);
  const found = find({ refused: (version) => (version === "1.8.0" ? "quarantined" : undefined) });
  assert.deepEqual(found.hops, ["1.4.0", "2.0.0"]);
  assert.ok(found.rejected.some(({ way, why }) => way === "1.8.0" && why === "quarantined"));
  // A host that runs the version already needs no permission to be a stepping stone.
  assert.deepEqual(find({ start: history[1], goal: named }).hops, ["2.0.0"]);
});

test("a direct step that is allowed is taken, whatever another way would cost", () => {
  assert.deepEqual(find({ start: history[3], bytes: () => 9 }), { hops: ["2.0.0"], bytes: 9, rejected: [] });
});

test("there is no way where nothing leads on, and every version says why", () => {
  const found = find({
    stones: [history[1], history[3]],
    problem: ({ from }) => (from.version === "1.4.0" ? "it leaves out a step" : undefined),
  });
  assert.deepEqual(found.hops, []);
  assert.deepEqual(found.rejected.slice(1), [
    { way: "1.4.0", why: "it leaves out a step" },
    { way: "1.9.0", why: '1.9.0 takes hosts from "1.8.0" only' },
  ]);
});

test("a way back is allowed where the way there was, over the same stones", () => {
  assert.deepEqual(find({ start: last, goal: first }).hops.length, 2);
  assert.match(hopProblem({ from: last, to: first }, takes) ?? "", /^2\.0\.0 came from/);
  assert.equal(hopProblem({ from: last, to: history[2] }, takes), undefined);
});

const versions = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"];
const world = fc.record({
  from: fc.array(fc.subarray(versions), { minLength: versions.length, maxLength: versions.length }),
  via: fc.array(fc.subarray(versions, { maxLength: 2 }), { minLength: versions.length, maxLength: versions.length }),
  costs: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 36, maxLength: 36 }),
  isDown: fc.boolean(),
  order: fc.shuffledSubarray([1, 2, 3, 4], { minLength: 4 }),
});

test("of all allowed ways none costs less, and where one exists one is found, in whatever order versions come (P12)", () => {
  fc.assert(
    fc.property(world, ({ from, via, costs: table, isDown, order }) => {
      const all = versions.map((version, index) => mapped(version, (from[index] ?? []).join(" "), via[index]));
      const price = (a: string, b: string) => table[versions.indexOf(a) * 6 + versions.indexOf(b)] ?? 0;
      const ends = isDown ? ["1.5.0", "1.0.0"] : ["1.0.0", "1.5.0"];
      const [start, goal] = ends.map((version) => all.find((each) => each.version === version));
      assert.ok(start && goal);
      const input = { start, goal, takes, bytes: (hop: Hop) => price(hop.from.version, hop.to.version) };
      const found = upgradePath({ ...input, stones: order.flatMap((index) => all[index] ?? []) });
      assert.deepEqual(upgradePath({ ...input, stones: all }), found);
      // Forwards only: what a way back does is what the way there did, turned round.
      const isFit = (stone: number) => {
        const named = via[5] ?? [];
        const isTaken = (from[5] ?? []).includes(versions[stone] ?? "");
        return isDown || named.length === 0 || !isTaken || named.includes(versions[stone] ?? "");
      };
      const isDirect = (earlier: number, later: number) => (from[later] ?? []).includes(versions[earlier] ?? "");
      const isAllowed = (earlier: number, later: number) => {
        // Who has come to a stone takes the direct way from there, where there is one.
        const passesBy = earlier !== 0 && later !== 5 && (isDown ? isDirect(0, later) : isDirect(earlier, 5));
        if (passesBy) return false;
        if ((earlier !== 0 && !isFit(earlier)) || (later !== 5 && !isFit(later))) return false;
        const isStone = earlier !== 0 || (!isDown && later !== 5);
        const named = via[later] ?? [];
        return (
          (from[later] ?? []).includes(versions[earlier] ?? "") &&
          (!isStone || named.length === 0 || named.includes(versions[earlier] ?? ""))
        );
      };
      const ways: { hops: number[]; cost: number }[] = [];
      const walk = (at: number, hops: number[], cost: number): void => {
        if (at === 5) ways.push({ hops, cost });
        for (let next = at + 1; next <= 5; next += 1) {
          const [a = "", b = ""] = [versions[at], versions[next]];
          if (isAllowed(at, next)) walk(next, [...hops, next], cost + (isDown ? price(b, a) : price(a, b)));
        }
      };
      walk(0, [], 0);
      const direct = ways.find(({ hops }) => hops.length === 1);
      if (direct !== undefined) assert.deepEqual(found.hops, [goal.version]);
      else if (ways.length === 0) assert.deepEqual(found.hops, []);
      else assert.equal(found.bytes, Math.min(...ways.map(({ cost }) => cost)));
      // A plan leads to the first stone; the one after it finds the rest of this way.
      const [next, ...rest] = found.hops;
      const onward = all.find(({ version }) => version === next);
      if (onward !== undefined && rest.length > 0)
        assert.deepEqual(upgradePath({ ...input, start: onward, stones: all }).hops, rest);
    }),
    { numRuns: 500 },
  );
});
