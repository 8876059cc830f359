// One plan of HOSTS hosts × COMPONENTS components, each needing the one before it and staying near its versions, every second
// one with drain, backup and health, one of them in the middle of a migration; prints what it cost as JSON. Everything that a
// pass works out between the answers of the hosts and the plan's bytes is in it: the way over versions, the plan, what may not
// meet on its way.
import { claimedTargets } from "../../src/app/beside-open-runs.ts";
import { stageRelease } from "../../src/app/stage-release.ts";
import { packPlan } from "../../src/model/packed-plan.ts";
import type { SkewLimit } from "../../src/model/release.ts";
import { checkMigrations } from "../../src/plan/check-migrations.ts";
import { checkSkew } from "../../src/plan/check-skew.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { tiedComponents } from "../../src/plan/tied-components.ts";
import { planInput, type WantedComponent } from "../support/plan-input.ts";

const [hosts = 0, components = 0] = process.argv.slice(2).map(Number);
const names = Array.from({ length: hosts }, (_, index) => `h${String(index).padStart(6, "0")}`);
const wanted = Array.from({ length: components }, (_, index): [string, WantedComponent] => {
  const more = index % 2 === 0 ? { drain: true, backup: true, health: true } : {};
  const before = `c${index - 1}`;
  const near = index === 0 ? {} : { dependsOn: [before], skew: [skewTo(before)] };
  return [`c${index}`, { hosts: names, ...near, ...more }];
});
const input = planInput({ components: Object.fromEntries(wanted), policy: { canaries: 1, batchSize: 100 } });
const migrating = input.published.get("c1@2.0.0");
const published = new Map(input.published);
if (migrating !== undefined) {
  published.set("c1@2.0.0", { ...migrating, migrations: { prices: "expand" } });
  published.set("c1@1.0.0", { ...migrating, version: "1.0.0" });
}
const { release: whole, observations } = input;

const laps: Record<string, number> = {};
let since = performance.now();
const lap = (name: string): void => {
  laps[name] = performance.now() - since;
  since = performance.now();
};
claimedTargets({ release: whole, published, open: [] });
const { release, paths } = stageRelease({ ...input, published, release: whole });
lap("stage");
const plan = makePlan({ ...input, published, release, paths });
lap("plan");
const apart = checkSkew({ plan, components: release.components, observations });
lap("skew");
const skipped = checkMigrations({ plan, observations, known: published });
lap("migrations");
tiedComponents({ plan, components: release.components, observations, known: published });
lap("tied");
// What is refused is not planned, and would cost nothing.
if (apart.length > 0 || skipped.length > 0) throw new Error(JSON.stringify([apart[0], skipped[0]]));
const planMs = Object.values(laps).reduce((sum, ms) => sum + ms, 0);
const tasks = plan.steps.flatMap(({ work }) => work).reduce((sum, { groups }) => sum + groups.flat().length, 0);
// As the journal keeps it.
const planBytes = JSON.stringify(packPlan(plan)).length;
process.stdout.write(JSON.stringify({ planMs, laps, tasks, planBytes }));

/** Forbids pairs that do run at some time, on different hosts: so the whole plan has to be walked, and nothing is found. */
function skewTo(component: string): SkewLimit {
  return { of: component, ahead: "0 major", scope: "host" };
}
