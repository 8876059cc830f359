// The picture of a plan: components down, batches across, and as small for ten thousand hosts as for ten.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { reviewMermaid } from "../../../src/status/review-mermaid.ts";
import { planInput, type World } from "../../support/plan-input.ts";

function draw(world: World): string[] {
  const plan = makePlan(planInput(world));
  return reviewMermaid({ plan, changes: plan.changes });
}

test("components on other hosts stand below what they depend on, each with its batches in order", () => {
  const lines = draw({
    components: { database: { hosts: ["db1"] }, api: { hosts: ["web1", "web2"], dependsOn: ["database"] } },
    policy: { soakSeconds: 30 },
  });
  assert.deepEqual(lines, [
    "flowchart TB",
    '  subgraph s1["database 1.0.0 → 2.0.0"]',
    "    direction LR",
    '    s1b1["batch 1<br/>1 host"]',
    "  end",
    '  subgraph s2["api 1.0.0 → 2.0.0"]',
    "    direction LR",
    '    s2b1["batch 2<br/>1 host"]',
    '    s2b2["batch 3<br/>1 host"]',
    '    s2b1 -->|"watch 30 s"| s2b2',
    "  end",
    '  s1 -->|"api requires database"| s2',
  ]);
});

test("an arrow says what kind of edge it stands for, and nothing where there is none (R39)", () => {
  const components = { billing: { hosts: ["b1"], consumes: ["ledger"] }, ledger: { hosts: ["l1"] } };
  assert.equal(draw({ components }).at(-1), '  s1 -->|"billing consumes ledger"| s2');
  const apart = { ...components, billing: { hosts: ["b1"] }, ledger: { hosts: ["b1", "l1"] } };
  assert.deepEqual(
    draw({ components: apart }).filter((line) => line.includes("|")),
    [],
  );
});

test("many hosts in many batches, and many components, draw a few boxes", () => {
  const hosts = Array.from({ length: 1_000 }, (_, index) => `web${index + 1}`);
  const many = draw({ components: { shop: { hosts } }, policy: { batchSize: 10, soakSeconds: 60 } });
  assert.equal(many.filter((line) => line.includes('-->|"watch 60 s"|')).length, 3);
  assert.ok(many.length < 12, many.join("\n"));
  assert.ok(
    many.some((line) => line.includes("batches 3 to 100<br/>980 hosts")),
    many.join("\n"),
  );
  const chain = Array.from({ length: 40 }, (_, index) => `part-${String(index).padStart(2, "0")}`);
  const components = Object.fromEntries(
    chain.map((name, index) => [
      name,
      { hosts: [`h${index}`], ...(index > 0 ? { dependsOn: [chain[index - 1] ?? ""] } : {}) },
    ]),
  );
  const folded = draw({ components });
  assert.ok(folded.length < 70, `${folded.length}`);
  assert.ok(folded.some((line) => line.includes("29 more groups of components")));
});

test("nothing to switch draws nothing", () => {
  assert.deepEqual(draw({ components: { shop: { hosts: ["web1"], version: "1.0.0" } } }), []);
});
