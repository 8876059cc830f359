// One plan of HOSTS hosts × COMPONENTS components, each component needing the one before it, every second one with drain,
// backup and health; prints what it cost as JSON.
import { packPlan } from "../../src/model/packed-plan.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { planInput, type WantedComponent } from "../support/plan-input.ts";

const [hosts = 0, components = 0] = process.argv.slice(2).map(Number);
const names = Array.from({ length: hosts }, (_, index) => `h${String(index).padStart(6, "0")}`);
const wanted = Array.from({ length: components }, (_, index): [string, WantedComponent] => {
  const more = index % 2 === 0 ? { drain: true, backup: true, health: true } : {};
  return [`c${index}`, { hosts: names, dependsOn: index === 0 ? [] : [`c${index - 1}`], ...more }];
});
const input = planInput({ components: Object.fromEntries(wanted), policy: { canaries: 1, batchSize: 100 } });
const began = performance.now();
const plan = makePlan(input);
const planMs = performance.now() - began;
const tasks = plan.steps.flatMap(({ work }) => work).reduce((sum, { groups }) => sum + groups.flat().length, 0);
// As the journal keeps it.
const planBytes = JSON.stringify(packPlan(plan)).length;
process.stdout.write(JSON.stringify({ planMs, tasks, planBytes }));
