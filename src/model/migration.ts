// Expand/contract migrations (R39): which step of a change of shared data a version stands for. Steps are one after the other,
// and versions that run at the same time are at most one apart.
import { z } from "zod";
import { TaskName } from "./contract-values.ts";

/** In their order; a version that does not name the migration stands before the first. */
export const migrationSteps = ["expand", "double-write", "contract"] as const;

export const MigrationStep = z.enum(migrationSteps).meta({
  id: "MigrationStep",
  description:
    "expand: the new form is there beside the old one. double-write: this version keeps both up to date. contract: the old form is gone, and nothing before it can run again",
});
export type MigrationStep = z.infer<typeof MigrationStep>;

export const Migration = z
  .union([
    MigrationStep,
    z.strictObject({
      step: MigrationStep,
      task: TaskName.describe("The task that does it, of scope `once`; its `at` says when"),
    }),
  ])
  .meta({ id: "Migration", description: "A step, or a step and the task that takes it" });
export type Migration = z.infer<typeof Migration>;

export function stepOf(migration: Migration): MigrationStep {
  return typeof migration === "string" ? migration : migration.step;
}

export function taskOf(migration: Migration): string | undefined {
  return typeof migration === "string" ? undefined : migration.task;
}
