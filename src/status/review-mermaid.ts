// The order of a plan as a picture: components from top to bottom, their batches from left to right. Never a node per host:
// ten thousand of them draw as many boxes as ten (Mermaid gives up at 500 edges). Pure.
import type { OrderEdge, Plan, PlannedChange, Step } from "../model/plan.ts";
import { soaksOf } from "../model/soaks.ts";

interface Stage {
  readonly components: readonly string[];
  readonly batches: readonly Step[];
}

type Drawn = Stage | { readonly left: readonly Stage[] };

/** More components or batches than these become one box in the middle that says how many. */
const stageLimit = 12;
const batchLimit = 4;
const namesInTitle = 3;

/** Lines of Mermaid, without the fence; empty when nothing switches. */
export function reviewMermaid({ plan, changes }: { plan: Plan; changes: readonly PlannedChange[] }): string[] {
  const stages = stagesOf(plan.steps);
  if (stages.length === 0) return [];
  const soaks = soaksOf(plan.steps);
  const versions = versionsOf(changes);
  const drawn = foldMiddle(stages, stageLimit);
  const boxes = drawn.flatMap((entry, index) =>
    "left" in entry
      ? [`  s${index + 1}["${entry.left.length} more groups of components"]`]
      : stageLines({ stage: entry, id: `s${index + 1}`, soaks, versions }),
  );
  const arrows = drawn.slice(1).map((below, index) => {
    const why = whyBelow(plan.order ?? [], { above: drawn[index], below });
    return `  s${index + 1} -->${why === undefined ? "" : `|"${label(why)}"|`} s${index + 2}`;
  });
  return ["flowchart TB", ...boxes, ...arrows];
}

/** Why one group of components goes after the one drawn above it; undefined where that is only the order of their names. */
function whyBelow(
  order: readonly OrderEdge[],
  { above, below }: { readonly above: Drawn | undefined; readonly below: Drawn },
): string | undefined {
  if (above === undefined || "left" in above || "left" in below) return undefined;
  const edges = order.filter(
    ({ before, after }) => above.components.includes(before) && below.components.includes(after),
  );
  const [first] = edges;
  if (first === undefined) return undefined;
  const words =
    first.kind === "requires" ? `${first.after} requires ${first.before}` : `${first.before} consumes ${first.after}`;
  return edges.length === 1 ? words : `${words}, and ${edges.length - 1} more`;
}

/** Batches in a row that move the same components. */
function stagesOf(steps: readonly Step[]): Stage[] {
  const stages: { components: Set<string>; batches: Step[] }[] = [];
  for (const step of steps) {
    if (step.kind !== "switch") continue;
    const components = componentsOf(step);
    const last = stages.at(-1);
    if (last && components.some((component) => last.components.has(component))) {
      last.batches.push(step);
      for (const component of components) last.components.add(component);
    } else stages.push({ components: new Set(components), batches: [step] });
  }
  return stages.map(({ components, batches }) => ({ components: [...components], batches }));
}

function componentsOf(step: Step): string[] {
  return [...new Set(step.work.flatMap(({ groups }) => groups.flat().map(({ component }) => component)))];
}

function stageLines(input: {
  readonly stage: Stage;
  readonly id: string;
  readonly soaks: ReadonlyMap<number, number>;
  readonly versions: ReadonlyMap<string, string>;
}): string[] {
  const { stage, id, soaks, versions } = input;
  const named = stage.components.slice(0, namesInTitle).map((name) => `${name} ${versions.get(name) ?? ""}`);
  const left = stage.components.length - named.length;
  const title = label([...named, ...(left > 0 ? [`${left} more`] : [])].join(", "));
  const drawn = foldMiddle(stage.batches, batchLimit);
  const nodes = drawn.map(
    (entry, index) => `    ${id}b${index + 1}["${"left" in entry ? manyText(entry.left) : batchText(entry)}"]`,
  );
  const arrows = drawn.slice(1).map((_, index) => {
    const before = drawn[index];
    const last = before !== undefined && "left" in before ? before.left.at(-1) : before;
    const soak = last === undefined ? 0 : (soaks.get(last.batch) ?? 0);
    return `    ${id}b${index + 1} -->${soak > 0 ? `|"watch ${soak} s"|` : ""} ${id}b${index + 2}`;
  });
  return [`  subgraph ${id}["${title}"]`, "    direction LR", ...nodes, ...arrows, "  end"];
}

function batchText({ batch, work }: Step): string {
  return `batch ${batch}<br/>${hosts(work.length)}`;
}

function manyText(steps: readonly Step[]): string {
  const total = steps.reduce((sum, { work }) => sum + work.length, 0);
  return `batches ${steps[0]?.batch} to ${steps.at(-1)?.batch}<br/>${hosts(total)}`;
}

function hosts(count: number): string {
  return `${count} ${count === 1 ? "host" : "hosts"}`;
}

/** `1.0 → 2.0`; several ways are counted. */
function versionsOf(changes: readonly PlannedChange[]): Map<string, string> {
  const ways = new Map<string, Set<string>>();
  for (const { component, from, to } of changes) {
    const known = ways.get(component) ?? new Set<string>();
    ways.set(component, known.add(`${from ?? "new"} → ${to}`));
  }
  return new Map(
    [...ways].map(([name, texts]) => [name, texts.size === 1 ? ([...texts][0] ?? "") : `${texts.size} version steps`]),
  );
}

/** First ones, the last one, and the rest as one entry between them. */
function foldMiddle<T extends object>(items: readonly T[], limit: number): (T | { readonly left: readonly T[] })[] {
  if (items.length <= limit) return [...items];
  return [...items.slice(0, limit - 2), { left: items.slice(limit - 2, -1) }, ...items.slice(-1)];
}

/** Inside quotes: letters, digits and a few signs; anything else could end the label or the block. */
function label(text: string): string {
  const safe = text.replace(/[^A-Za-z0-9 .,+_→-]/gu, "·");
  return safe.length > 160 ? `${safe.slice(0, 159)}…` : safe;
}
