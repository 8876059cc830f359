// What is said when a plan would pass a point that it may not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseUnsafeOrder } from "../../../src/app/check-order.ts";
import { CutoverError } from "../../../src/errors.ts";
import type { MigrationStep } from "../../../src/model/migration.ts";
import type { Trust } from "../../../src/model/trust.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";

type Controller = Parameters<typeof refuseUnsafeOrder>[0];
/** Versions that are published, by name; none of them can be read here. */
const artifacts = { versions: async () => [] } as unknown as Controller["artifacts"];

async function refusal(
  world: World,
  {
    steps = {},
    isWayBack = false,
  }: { steps?: Readonly<Record<string, MigrationStep | "-">>; isWayBack?: boolean } = {},
): Promise<CutoverError> {
  const input = planInput(world);
  const plan = makePlan(input);
  const stated = Object.entries(steps).map(([key, step], sequence) => {
    const [component = "", version = ""] = key.split("@");
    return [key, { component, version, sequence, ...(step === "-" ? {} : { migrations: { orders: step } }) }] as const;
  });
  const unreadable = new Map([
    ["api@0.9.0", new CutoverError({ code: "not-published", message: "it is not published" })],
  ]);
  const check = { ...input, plan, published: new Map(stated), unreadable, isWayBack, trust: {} as Trust };
  const error = await refuseUnsafeOrder({ artifacts, signer: {} as Controller["signer"] }, check).catch(
    (thrown) => thrown,
  );
  assert.ok(error instanceof CutoverError, "not refused");
  return error;
}

test("a plan that exceeds a skew limit on its way names step, hosts, versions and the order that would do (R39)", async () => {
  const components = {
    api: {
      hosts: ["web1"],
      version: "1.3.0",
      skew: [{ of: "db", behind: "0 minor", scope: "fleet" as const }],
      dependsOn: ["db"],
    },
    db: { hosts: ["db1"], version: "1.3.0" },
  };
  const observed = { web1: { api: { current: "1.2.0" } }, db1: { db: { current: "1.2.0" } } };
  const { code, evidence, remedy } = await refusal({ components, observed });
  assert.equal(code, "skew-exceeded");
  assert.equal(
    evidence,
    "switch.1: api 1.2.0 on web1 would run beside db 1.3.0 on db1: 1 minor behind, at most 0 minor is allowed",
  );
  assert.match(remedy ?? "", /^Let api go everywhere before db: `consumes: \[db\]` at api/);
});

const steps = {
  "api@1.0.0": "-",
  "api@1.1.0": "expand",
  "api@1.2.0": "double-write",
  "api@2.0.0": "contract",
} as const;
const move = (from: string, version: string): World => ({
  components: { api: { hosts: ["h1", "h2"], version } },
  observed: { h1: { api: { current: from } }, h2: { api: { current: from } } },
});

test("a plan that leaves out a step of a migration says which version to release first (R39)", async () => {
  const { code, evidence, remedy } = await refusal(move("1.0.0", "1.2.0"), { steps });
  assert.equal(code, "migration-order");
  assert.equal(
    evidence,
    [
      "h1, h2: api 1.0.0 → 1.2.0 (orders) passes over expand of orders",
      "switch.1: api 1.0.0 on h2 would run beside api 1.2.0 on h1: in orders not begun beside double-write, and they may be one step apart at most",
    ].join("\n"),
  );
  assert.match(remedy ?? "", /^Release api 1\.1\.0 first, everywhere: it stands for expand of orders/);
  const { "api@1.1.0": _, ...without } = steps;
  assert.match(
    (await refusal(move("1.0.0", "1.2.0"), { steps: without })).remedy ?? "",
    /^Publish a version of api that says `orders: expand`/,
  );
});

test("nothing goes back below a contract, not even a way back; else a way back passes what the way there did (R39)", async () => {
  for (const isWayBack of [true, false])
    assert.equal((await refusal(move("2.0.0", "1.2.0"), { steps, isWayBack })).code, "migration-irreversible");
  await assert.rejects(refusal(move("1.2.0", "1.0.0"), { steps, isWayBack: true }), /not refused/);
});

test("a running version that cannot be read is named, with what keeps it from being read (P7)", async () => {
  const { evidence, remedy } = await refusal(move("0.9.0", "1.1.0"), { steps });
  assert.equal(evidence, "what api 0.9.0, which runs, says of orders cannot be read: it is not published");
  assert.match(remedy ?? "", /^Publish api 0\.9\.0 again/);
});
