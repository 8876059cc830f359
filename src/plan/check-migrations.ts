// Expand/contract migrations (R39): at no point of a plan do versions run at the same time that are more than one step of a
// migration apart, no version leaves a step out, and nothing goes back below a `contract` that was committed. Pure.
import type { Observation } from "../model/observation.ts";
import type { Plan, PlannedChange, Step } from "../model/plan.ts";
import type { Task } from "../model/task.ts";
import { byHostThenComponent } from "./difference.ts";
import { type Clash, findClashes, type PairRule } from "./find-clashes.ts";
import { contracted, type KnownVersions, levelOf, migrationsOf, stepWords } from "./migration-book.ts";
import { type RunningVersions, versionsAtStep, versionsBefore } from "./running-versions.ts";

export type MigrationViolation =
  /** Two versions more than one step apart would run at the same time. */
  | ({ readonly kind: "apart"; readonly migration: string } & Clash)
  /** A component would pass over steps, forwards or back; `missing` is the level that has to come first. */
  | (Moving & { readonly kind: "skipped"; readonly missing: number })
  /** It would go back below a step that cannot be taken back. */
  | (Moving & { readonly kind: "irreversible" })
  /** The task of a `contract` would run while a version that still uses the old form does. */
  | {
      readonly kind: "early";
      readonly migration: string;
      readonly step: string;
      readonly task: string;
      readonly component: string;
      readonly version: string;
      readonly hosts: readonly string[];
    }
  /** What a running version says of the migration cannot be read, so nothing can be said about it. */
  | { readonly kind: "unknown"; readonly migration: string; readonly component: string; readonly version: string };

interface Moving {
  readonly migration: string;
  readonly component: string;
  readonly from: string;
  readonly to: string;
  readonly hosts: readonly string[];
}

export interface MigrationCheck {
  readonly plan: Pick<Plan, "steps" | "changes" | "waiting" | "held">;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Wanted versions and those that run, as far as they can be read. */
  readonly known: KnownVersions;
}

/** Each violation once, in byte order of migrations; empty also when no version names a migration. */
export function checkMigrations({ plan, observations, known }: MigrationCheck): MigrationViolation[] {
  const migrations = migrationsOf(known);
  if (migrations.size === 0) return [];
  const running = versionsBefore({ plan, observations, components: new Set([...migrations.values()].flat()) });
  const steps = stepsTaken(plan.changes);
  return [...migrations].flatMap(([migration, components]) => [
    ...unreadable({ migration, components, running, known }),
    ...steps.flatMap((step) => checkStep(step, { migration, components, known })),
    ...earlyContracts({ migration, components, known, running, steps: plan.steps }),
    ...findClashes({ steps: plan.steps, running, rules: rulesOf({ migration, components, known }) }).map((clash) => ({
      kind: "apart" as const,
      migration,
      ...clash,
    })),
  ]);
}

interface Scene {
  readonly migration: string;
  readonly components: readonly string[];
  readonly known: KnownVersions;
}

/** Each version step of the plan once, by what was committed before it. */
function stepsTaken(changes: readonly PlannedChange[]): Omit<Moving, "migration">[] {
  const steps = new Map<string, Omit<Moving, "migration"> & { readonly hosts: string[] }>();
  for (const { host, component, from: now, to, intended } of [...changes].sort(byHostThenComponent)) {
    const from = intended?.from ?? now;
    if (from === undefined || from === to) continue;
    const key = `${component} ${from} ${to}`;
    const step = steps.get(key);
    if (step === undefined) steps.set(key, { component, from, to, hosts: [host] });
    else step.hosts.push(host);
  }
  return [...steps.values()];
}

function checkStep(step: Omit<Moving, "migration">, { migration, components, known }: Scene): MigrationViolation[] {
  const { component, from, to } = step;
  if (!components.includes(component)) return [];
  const [before, after] = [from, to].map((version) => levelOf(known, { migration, component, version }));
  if (before === undefined || after === undefined) return [];
  if (before === contracted && after < before) return [{ kind: "irreversible", migration, ...step }];
  if (Math.abs(after - before) <= 1) return [];
  return [{ kind: "skipped", migration, ...step, missing: after > before ? before + 1 : before - 1 }];
}

/** Hosts that the plan leaves alone count here as everywhere: the old form is theirs as well. */
function earlyContracts({
  migration,
  components,
  known,
  running,
  steps,
}: Scene & { readonly running: RunningVersions; readonly steps: readonly Step[] }): MigrationViolation[] {
  const isContracting = ({ component, version, options, kind }: Task): boolean => {
    const found = known.get(`${component}@${version}`);
    if (kind !== "hook" || found?.migrations?.[migration] !== "contract") return false;
    return found.migrationTasks?.[migration] === options.name;
  };
  return steps.flatMap((step, index) => {
    const task =
      step.kind === "task" ? step.work.flatMap(({ groups }) => groups.flat()).find(isContracting) : undefined;
    if (task === undefined) return [];
    const state = versionsAtStep(running, { steps, index });
    return components.flatMap((component) =>
      [...(state.get(component) ?? [])].flatMap(([version, hosts]): MigrationViolation[] => {
        const level = levelOf(known, { migration, component, version });
        if (level === undefined || level >= contracted) return [];
        return [
          { kind: "early", migration, step: step.id, task: task.id, component, version, hosts: [...hosts].sort() },
        ];
      }),
    );
  });
}

function unreadable({
  migration,
  components,
  running,
  known,
}: Scene & { readonly running: RunningVersions }): MigrationViolation[] {
  return components.flatMap((component) =>
    [...(running.get(component)?.keys() ?? [])]
      .filter((version) => !known.has(`${component}@${version}`))
      .sort()
      .map((version) => ({ kind: "unknown" as const, migration, component, version })),
  );
}

/** Of all migrations that a known version names. */
export function migrationRules(known: KnownVersions): PairRule[] {
  return [...migrationsOf(known)].flatMap(([migration, components]) => rulesOf({ migration, components, known }));
}

/** Every two components that name the migration, and each of them with itself on another host. */
function rulesOf({ migration, components, known }: Scene): PairRule[] {
  return components.flatMap((left, index) =>
    components.slice(index).map((right): PairRule => {
      const level = (component: string, version: string) => levelOf(known, { migration, component, version });
      return {
        ...{ left, right, scope: "fleet" },
        problem(leftVersion, rightVersion) {
          const [a, b] = [level(left, leftVersion), level(right, rightVersion)];
          if (a === undefined || b === undefined || Math.abs(a - b) <= 1) return undefined;
          return `${stepWords(a)} beside ${stepWords(b)}, and they may be one step apart at most`;
        },
      };
    }),
  );
}
