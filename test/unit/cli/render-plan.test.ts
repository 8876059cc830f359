import assert from "node:assert/strict";
import { test } from "node:test";
import { planExitCode } from "../../../src/cli/outcomes.ts";
import { renderPlan } from "../../../src/cli/render-plan.ts";
import { unsaidRisks } from "../../../src/cli/render-risks.ts";
import { textWidth, toText } from "../../../src/cli/text.ts";
import type { Held, Plan } from "../../../src/model/plan.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { largePlan } from "../../support/large-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const names = (count: number) => Array.from({ length: count }, (_, index) => `web${index + 1}`);
const planOf = (world: World) => makePlan(planInput(world));
const risk = { component: "shop", reason: "drops-requests", text: "shop listens, and is stopped first" };
const show = (plan: Plan, totalHosts?: number, width?: number) =>
  toText(renderPlan({ plan, totalHosts }), { color: false, width, overflow: "wrap" });

test("the first line sums up; hosts with the same change share a line; the hash is the last line", () => {
  const hosts = names(4);
  const plan = planOf({ components: { db: { hosts }, shop: { hosts, dependsOn: ["db"] } } });
  const lines = show(plan, 4);
  assert.match(lines[0] ?? "", /^shop: 4 of 4 hosts change, 2 components, \d+ batch(es)?$/);
  assert.equal(lines.filter((line) => /^ {2}(db|shop) .* → .* 4: web1\.\.web4$/.test(line)).length, 2);
  assert.equal(lines.at(-1), `plan ${plan.hash}`);
});

test("beside the strategy stands the grade that the author declares, or that there is none (R27)", () => {
  const declared = planOf({ components: { shop: { hosts: names(2), grade: "request-safe" } } });
  const undeclared = planOf({ components: { shop: { hosts: names(2) } } });
  const row = (plan: Plan): string => show(plan).find((line) => line.startsWith("  shop ")) ?? "";
  assert.match(row(declared), / restart, request-safe +2: web1, web2$/);
  assert.match(row(undeclared), / restart, no grade declared +2: web1, web2$/);
});

test("how a version is drained is not cut off", () => {
  const plan = planOf({ components: { shop: { hosts: names(2), grade: "request-safe" } } });
  const drain = { until: "idle", seconds: 600 };
  const lines = show({ ...plan, changes: plan.changes.map((change) => ({ ...change, drain })) });
  assert.ok(lines.some((line) => / restart, request-safe, drains until idle within 10 min +2: /.test(line)));
});

test("the plan says why its order is so, by the kind of each edge (R39)", () => {
  const components = {
    api: { hosts: ["a1"], dependsOn: ["db"] },
    db: { hosts: ["d1"] },
    billing: { hosts: ["b1"], consumes: ["api"] },
  };
  const line = show(planOf({ components })).find((each) => each.startsWith("  order:"));
  assert.equal(line, "  order: billing before api (it consumes what api produces), db before api (api requires it)");
});

test("the plan names components of which no host may stay behind (R39)", () => {
  const lines = show({ ...planOf({ components: { db: { hosts: names(2) } } }), tied: ["db"] });
  assert.ok(lines.some((line) => line.startsWith("  together: no host may stay behind with db,")));
});

test("a way over stepping stones is shown whole, with where this plan leads and what was rejected (R16)", () => {
  const plan = planOf({ components: { shop: { hosts: names(2), version: "1.4.0" } } });
  const rejected = ["1.0.0 → 2.0.0", "1.5.0", "1.6.0", "1.7.0"].map((way) => ({ way, why: "not taken" }));
  const way = { component: "shop", from: "1.0.0", to: "2.0.0", via: ["1.4.0", "1.8.0"], hosts: names(2) };
  const lines = show({ ...plan, paths: [{ ...way, bytesPerHost: 3_000, why: "the fewest bytes", rejected }] });
  const row = lines.find((line) => line.includes("1.0.0 → 1.4.0 → 1.8.0 → 2.0.0")) ?? "";
  assert.match(row, /^ {2}shop .* 1\.4\.0 +3\.0 kB +2: web1, web2 +the fewest bytes; 1\.0\.0 → 2\.0\.0: not taken;/);
  assert.match(row, /; 1 more rejected$/);
});

test("a plan for 10,000 hosts fits on one screen", () => {
  const plan = largePlan({ hosts: 10_000, batchSize: 10 });
  const lines = show(plan, 10_000);
  assert.ok(lines.length <= 24, `${lines.length} lines`);
  assert.ok(lines[0]?.startsWith("shop: 10,000 of 10,000 hosts change, 1 component, 1,001 batches"));
  assert.ok(lines.some((line) => line.includes("10,000: web1..web10000")));
});

test("what must be seen before a plan runs comes first, once, with its hosts folded (R4)", () => {
  const hosts = names(40);
  const plan = planOf({ components: { shop: { hosts } } });
  const risks = [
    { ...risk, kind: "irreversible" as const, reason: "no-undo", text: "task x has no undo", hosts: ["web2"] },
    { ...risk, kind: "risky" as const, hosts },
    { ...risk, kind: "risky" as const, reason: "not-across-reboot", text: "a reboot may leave it", hosts },
  ];
  const unsaid = unsaidRisks(risks);
  const lines = toText(renderPlan({ plan, risks: unsaid }), { color: false, width: undefined, overflow: "wrap" });
  assert.deepEqual(lines.slice(1, 3), [
    "  irreversible: task x has no undo (web2)",
    "  risky: shop listens, and is stopped first (web1..web40)",
  ]);
  assert.ok(!lines.some((line) => line.includes("a reboot may leave it")), "the way back has its own line for that");
});

test("hosts that are left alone for the same reason share a line that names each of them", () => {
  const hosts = names(40);
  const evidence = "this tree was shown to be bad as 2.0.0 (check-failed); cutover retry shop lifts that: exit code 1";
  const plan = planOf({ components: { shop: { hosts } } });
  const held = hosts.map((host) => ({ host, component: "shop", reason: "quarantined" as const, evidence }));
  const lines = show({ ...plan, held: [...held, { ...held[0], host: "web50", evidence: "other" } as Held] });
  const mine = lines.slice(lines.indexOf("left alone") + 2, -1);
  assert.equal(mine.length, 2, lines.join("\n"));
  assert.match(mine[0] ?? "", /^ {2}quarantined +web1\.\.web40 +shop +this tree was shown to be bad as 2\.0\.0/);
  assert.match(mine[1] ?? "", /^ {2}quarantined +web50 +shop +other$/);
});

test("unreachable, drifted and held hosts stand apart, with their evidence (P7)", () => {
  const lines = show(
    planOf({
      components: { shop: { hosts: names(6) } },
      observed: { web2: "unreachable", web3: "unreachable", web4: { shop: { current: "9", committed: "1.0.0" } } },
      holds: { web5: "disk is being replaced" },
    }),
    6,
  );
  assert.match(lines[0] ?? "", /2 of 6 hosts change.*4 hosts left alone/);
  const start = lines.indexOf("left alone");
  assert.ok(start > 0);
  for (const expected of [/unreachable +web2, web3 /, /drifted +web4 +shop/, /on hold +web5 .*disk is being/]) {
    assert.equal(lines.slice(start).filter((line) => expected.test(line)).length, 1, String(expected));
  }
});

test("what an edit by hand does is not cut off", () => {
  const edits = [{ kind: "exclude", document: "november", reason: "retired", effect: "hello on web3 is no part of the release here, and what runs there stays" }]; // biome-ignore format: one line
  const plan = { ...planOf({ components: { shop: { hosts: ["web1"] } } }), edits } as unknown as Plan;
  assert.ok(show(plan).some((line) => line.includes(`exclude  ${edits[0]?.effect}  november  retired`)));
});

test("even 10,000 unreachable hosts are all named", () => {
  const hosts = names(10_000);
  const observed = Object.fromEntries(hosts.map((host) => [host, "unreachable" as const]));
  const text = show(planOf({ components: { shop: { hosts } }, observed })).join("\n");
  assert.ok(text.includes("web1..web10000"));
  assert.ok(!text.includes("more"));
});

test("the way back says the deadline, and where a reboot would not revert (P8)", () => {
  const plan = planOf({ components: { shop: { hosts: names(2) } } });
  const changes = plan.changes.map((change) => ({
    ...change,
    deadlineSeconds: 60,
    revertsAfterReboot: change.host !== "web2",
  }));
  const lines = show({ ...plan, changes });
  assert.ok(lines.some((line) => line.includes("goes back by itself within shop 60 s; a failed batch is undone")));
  assert.ok(lines.some((line) => line.startsWith("  not across a reboot: web2:")));
});

test("in sync, pending and nothing but left-out hosts are three exit codes: 0, 2, 4", () => {
  const pending = planOf({ components: { shop: { hosts: ["web1"] } } });
  const stalled = planOf({ components: { shop: { hosts: ["web1"] } }, quarantined: ["shop@2.0.0"] });
  const inSync = planOf({ components: { shop: { hosts: ["web1"], version: "1.0.0" } } });
  assert.deepEqual(
    [inSync, pending, stalled].map((plan) => planExitCode([plan])),
    [0, 2, 4],
  );
  assert.equal(show(inSync)[0], "shop: in sync, nothing to do");
});

test("evidence from a host cannot forge lines, colours or a title (T26)", () => {
  const plan = planOf({ components: { shop: { hosts: ["web1"] } } });
  const held = [
    { host: "web2", component: "shop", reason: "drifted" as const, evidence: "x\u001b[32mall good\nforged" },
  ];
  const lines = show({ ...plan, held });
  assert.ok(lines.some((line) => line.endsWith("x\\u{1b}[32mall good")));
  assert.ok(!lines.some((line) => line.includes("forged")));
});

test("on a narrow terminal lines wrap, and only unbreakable words are longer", () => {
  const plan = planOf({ components: { shop: { hosts: names(8) } } });
  const rows = show(plan, 8, 40).filter((row) => !row.includes("sha256:"));
  assert.ok(
    rows.every((row) => textWidth(row) <= 40),
    rows.find((row) => textWidth(row) > 40),
  );
});

test("the plan says how each version reaches its hosts, what that costs each of them, and why", () => {
  const hosts = names(4);
  const plan = planOf({ components: { shop: { hosts } } });
  const transfer = { component: "shop", from: "1.0.0", to: "2.0.0" };
  const lines = show({
    ...plan,
    transfers: [
      { ...transfer, hosts: hosts.slice(1), path: "direct", via: [], bytesPerHost: 1_200_000, why: "direct patch 1.2 MB; full 31 MB" }, // biome-ignore format: one line
      { ...transfer, hosts: ["web1"], path: "direct", via: [], bytesPerHost: undefined, why: "direct patch from 0.9.0, made before it is sent; full 31 MB" }, // biome-ignore format: one line
    ],
  });
  assert.ok(
    lines.some((line) => /shop +1\.0\.0 → 2\.0\.0 +direct +1\.2 MB +3: web2\.\.web4 +direct patch 1\.2 MB;/.test(line)),
    lines.join("\n"),
  );
  assert.ok(lines.some((line) => /direct +not made yet +1: web1 +direct patch from 0\.9\.0, made/.test(line)));
  assert.ok(!show(plan).some((line) => line.includes("bytes a host")));
});

test("R28: orders that only the hosts' units know, and where they contradict the release, have a line with unit, directive and hosts", () => {
  const hosts = names(4);
  const units = Object.fromEntries(hosts.map((host) => [host, ["shop After cache", "db Wants cache"]]));
  const components = { cache: { hosts, dependsOn: ["shop"] }, db: { hosts }, shop: { hosts } };
  const lines = show(planOf({ components, units }), 4);
  assert.ok(
    lines.includes(
      "  units: cache moves before db: the hosts' units say db.service Wants=cache.service; on web1..web4",
    ),
    lines.join("\n"),
  );
  assert.ok(
    lines.includes(
      "  units: shop moves before cache, as the release or its Procedure says; the hosts' units say shop.service After=cache.service; on web1..web4",
    ),
  );
});

test("R17: the plan says which components are saved together, how close, and on how many hosts", () => {
  const hosts = names(2);
  const components = { db: { hosts, backup: true }, shop: { hosts } };
  const lines = show(planOf({ components, restorePoint: { components: ["db"], withinMs: 500 } }), 2);
  assert.ok(
    lines.includes("  restore point: db saved together within 500 ms, before anything switches; 2: web1, web2"),
    lines.join("\n"),
  );
});
