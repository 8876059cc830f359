// What published versions say of migrations: which step of each one a version stands for. Pure.
import { type MigrationStep, migrationSteps } from "../model/migration.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { compareText } from "./difference.ts";
import { compareAge } from "./version-distance.ts";

/** Before the first step. */
export const beforeMigration = 0;
/** The old form is gone. */
export const contracted = migrationSteps.length;

export type MigratingVersion = Pick<
  PublishedVersion,
  "component" | "version" | "sequence" | "migrations" | "migrationTasks"
>;

/** Keyed by `component@version`. */
export type KnownVersions = ReadonlyMap<string, MigratingVersion>;

/** A step by its number, in words. */
export function stepWords(level: number): string {
  return migrationSteps[level - 1] ?? "not begun";
}

/** Names of all migrations that a known version names, each with the components that do, in byte order. */
export function migrationsOf(known: KnownVersions): Map<string, string[]> {
  const named = new Map<string, Set<string>>();
  for (const { component, migrations = {} } of known.values())
    for (const name of Object.keys(migrations)) named.set(name, (named.get(name) ?? new Set()).add(component));
  return new Map(
    [...named].sort(([a], [b]) => compareText(a, b)).map(([name, set]) => [name, [...set].sort(compareText)]),
  );
}

/**
 * How far a version is in a migration: 0 before it, 1 to 3 for its steps; undefined for a version that nobody could read. One
 * that does not name it is past it when an older version of its component has contracted.
 */
export function levelOf(
  known: KnownVersions,
  {
    migration,
    component,
    version,
  }: { readonly migration: string; readonly component: string; readonly version: string },
): number | undefined {
  const found = known.get(`${component}@${version}`);
  if (found === undefined) return undefined;
  const step: MigrationStep | undefined = found.migrations?.[migration];
  if (step !== undefined) return migrationSteps.indexOf(step) + 1;
  const isPast = [...known.values()].some(
    (other) =>
      other.component === component && other.migrations?.[migration] === "contract" && compareAge(other, found) < 0,
  );
  return isPast ? contracted : beforeMigration;
}
