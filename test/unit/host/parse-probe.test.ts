// What a probe says of units becomes typed facts; anything else that a host says there is refused (T26).
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProbe } from "../../../src/host/parse-probe.ts";

const machine = [
  ["mode", "system"],
  ["arch", "x86_64"],
  ["kernel", "6.1"],
  ["boot-id", "b"],
  ["epoch", "0"],
  ["host-script", "1"],
  ["component.api.current", "v1"],
] as const;
const ordersOf = (...values: readonly string[]) =>
  parseProbe([...machine, ...values.map((value) => ["component.api.unit-order", value])]).components[0]?.unitOrder;

test("R28: a component's units and what they say of others' are read; one of an older host.sh says nothing", () => {
  assert.deepEqual(ordersOf("api@1.service After database postgresql.service"), [
    { unit: "api@1.service", directive: "After", component: "database", otherUnit: "postgresql.service" },
  ]);
  assert.equal(ordersOf(), undefined);
});

test("a host says below which directories components may live; one with an older host.sh does not", () => {
  assert.deepEqual(parseProbe([...machine, ["base.0", "/srv"], ["base.1", "/opt"]]).facts.bases, ["/srv", "/opt"]);
  assert.equal(parseProbe([...machine]).facts.bases, undefined);
});

test("P7: when a trial ends by the host's clock is read; an older host.sh does not say, and words are refused", () => {
  const trialOf = (...more: (readonly [string, string])[]) =>
    parseProbe([...machine, ["component.api.trial-to", "v2"], ...more]).components[0]?.trial;
  assert.deepEqual(trialOf(["component.api.trial-ends", "1796030000"])?.endsAt, 1_796_030_000_000);
  assert.equal(trialOf()?.endsAt, undefined);
  assert.throws(() => trialOf(["component.api.trial-ends", "soon"]), { code: "host-protocol" });
});

test("T26: other directives, more or fewer words, control characters and endless lists are refused or cut", () => {
  for (const value of [
    "",
    "api.service",
    "api.service Before database x.service",
    "api.service After Database x.service",
    "api.service After database x.service more",
    "api.service After database \u001b[2J",
    `${"a".repeat(300)}.service After database x.service`,
  ])
    assert.throws(() => ordersOf(value), { code: "host-protocol" }, JSON.stringify(value));
  const many = Array.from({ length: 10_000 }, (_, index) => `api.service After database x${index}.service`);
  assert.equal(ordersOf(...many)?.length, 256);
});
