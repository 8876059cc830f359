// What a pass says: nothing that is open, failed or left for later goes unsaid.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blockedResult, failedResult } from "../../../src/app/release-trouble.ts";
import { type PassView, passDocument, renderPass } from "../../../src/cli/render-pass.ts";
import { toText } from "../../../src/cli/text.ts";
import { CutoverError } from "../../../src/errors.ts";
import { claimsOf } from "../../../src/plan/claims.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput } from "../../support/plan-input.ts";

const commit = "c".repeat(40);
const show = (view: Partial<PassView>) =>
  toText(renderPass({ commit, resumed: [], results: [], warnings: [], ...view }), {
    color: false,
    width: undefined,
    overflow: "wrap",
  });
const open = {
  run: "r1",
  state: {
    outcome: undefined,
    reason: "",
    plan: { release: "shop" },
    hosts: new Map([["switch.1/web1", "unknown"], ["switch.1/web2", "done"]]),
  },
}; // biome-ignore format: one line

test("an open run whose release git does not have any more is told, with the silent host and the next command (P7)", () => {
  const plan = makePlan(planInput({ components: { web: { hosts: ["web1", "web2"] } } }));
  const by = { run: "r1", plan, claims: claimsOf(plan), since: 0, unwell: new Set<string>() };
  const blocked = [{ by, conflict: { kind: "claimed", component: "web", hosts: ["web1"] } }] as const;
  const lines = show({ resumed: [open], results: [blockedResult("other", blocked)] });
  assert.deepEqual(lines.slice(0, 3), [
    "shop, which git does not have any more: taken up again: waiting for hosts whose outcome nobody knows (run r1)",
    "  no word from web1; nothing that this run holds moves until there is",
    "next: cutover reconcile --once, once it answers; cutover hold web1 --reason …, if it will not come back",
  ]);
  assert.deepEqual(lines.slice(3, 6), [
    "other: waiting (Claimed)",
    "  web on web1 is claimed by run r1 of release shop, since 1970-01-01 00:00:00 UTC",
    "next: cutover status",
  ]);
});

test("a run on its way back names the hosts whose way back nobody knows, and not those of a way back before it (P7)", () => {
  const hosts = new Map([
    ["switch.1/web1", "unknown"],
    ["rollback.1/web2", "unknown"],
    ["rollback.again2.1/web3", "unknown"],
    ["rollback.again2.1/web4", "done"],
  ]);
  const rollback = { steps: [{ id: "rollback.again2.1" }] };
  const lines = show({ resumed: [{ run: "r1", state: { ...open.state, hosts, rollback } }] });
  assert.deepEqual(lines.slice(1, 3), [
    "  no word from web3; nothing that this run holds moves until there is",
    "next: cutover reconcile --once, once it answers; cutover hold web3 --reason …, if it will not come back",
  ]);
});

test("a resumed run that got stuck says why", () => {
  const stuck = { run: "r1", state: { ...open.state, outcome: "stuck" as const, reason: "commit failed on web1" } };
  assert.ok(show({ resumed: [stuck] }).includes("  commit failed on web1"));
});

test("a release that cannot be planned shows its error whole, as text and as data; warnings come first", () => {
  const error = new CutoverError({
    code: "not-published",
    message: "shop 9 is not published",
    evidence: "web1: none\nweb2: none",
    remedy: "cutover publish",
  });
  const warning = { severity: "warning", file: "a.yaml", line: 1, column: 1, path: "", message: "no host" } as const;
  const results = [failedResult("shop", error)];
  assert.deepEqual(show({ results, warnings: [warning] }).slice(0, 6), [
    "warning: a.yaml:1:1: no host",
    "shop: stalled (not-published)",
    "error: shop 9 is not published",
    "  | web1: none",
    "  | web2: none",
    "next: cutover publish",
  ]);
  // In a status and in notes it is one line.
  assert.equal(results[0]?.trouble?.message, "shop 9 is not published: web1: none; web2: none");
  const [data] = passDocument({ commit, resumed: [], results, warnings: [] }).results;
  assert.equal(data?.error?.code, "not-published");
});
