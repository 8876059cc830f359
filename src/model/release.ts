// Release: which version of which component shall run, in what order it is reached, and how to go back.
import { z } from "zod";
import { ComponentName } from "./names.ts";
import { VersionOrRange, VersionRange } from "./version-range.ts";

const Range = VersionRange.optional().describe(
  "Within it `cutover propose` offers the newest published version, as a commit to review",
);

/** Names of releases, policies and procedures: they reach file names, run ids and notes. */
export const DocumentName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, "lower-case letters, digits, dots and dashes, at most 63")
  .meta({ id: "DocumentName" });
export type DocumentName = z.infer<typeof DocumentName>;

export const MatchLabels = z
  .record(z.string(), z.string())
  .refine((labels) => Object.keys(labels).length > 0, "at least one label")
  .meta({ minProperties: 1, description: "Labels that a host must carry, all of them" });

export const Selector = z
  .strictObject({
    match: MatchLabels,
    version: VersionOrRange,
    range: Range,
  })
  .meta({
    id: "Selector",
    description: "Hosts with these labels get this version instead; the first that matches counts",
  });
export type Selector = z.infer<typeof Selector>;

const Distance = z.string().regex(/^[0-9]{1,4} (?:major|minor|patch)$/, 'a number and a unit, such as "1 minor"');

export const SkewLimit = z
  .strictObject({
    of: ComponentName.describe("Another component of this release"),
    ahead: Distance.optional().describe(
      'How far this component may be ahead of it at most, as "1 minor"; without it, any distance',
    ),
    behind: Distance.optional().describe('How far it may be behind at most; "0 minor" allows other patches only'),
    scope: z
      .enum(["fleet", "host"])
      .default("fleet")
      .describe("fleet: all hosts count, since any may talk to any. host: they only meet on the same host"),
  })
  .refine(({ ahead, behind }) => ahead !== undefined || behind !== undefined, "`ahead`, `behind` or both")
  .meta({
    id: "SkewLimit",
    description: "How far versions that run at the same time may be apart: checked at every point of a plan",
  });
export type SkewLimit = z.infer<typeof SkewLimit>;

export const ReleaseComponent = z
  .strictObject({
    name: ComponentName,
    version: VersionOrRange,
    range: Range,
    depends_on: z
      .array(ComponentName)
      .max(200)
      .default([])
      .describe("Components of this release that must be there first"),
    consumes: z
      .array(ComponentName)
      .max(200)
      .default([])
      .describe(
        "Components of this release whose output this one takes: it is upgraded everywhere before any of them (consumers before producers)",
      ),
    skew: z.array(SkewLimit).max(50).default([]).describe("How far its version may be from others that run meanwhile"),
    selectors: z.array(Selector).max(200).default([]).describe("Other versions for some hosts"),
  })
  .meta({ id: "ReleaseComponent" });
export type ReleaseComponent = z.infer<typeof ReleaseComponent>;

export const RestorePointWish = z
  .strictObject({
    components: z
      .array(ComponentName)
      .min(1)
      .max(50)
      .describe("Components of this release whose contracts save something: together on all their hosts"),
    within_ms: z
      .int()
      .min(10)
      .max(600_000)
      .default(500)
      .describe("How far apart the saving of all of them may begin and end; past it nothing is switched"),
  })
  .meta({
    id: "RestorePoint",
    description:
      "Backups of several components at one moment, before anything switches, and put back together when the whole run is taken back",
  });
export type RestorePointWish = z.infer<typeof RestorePointWish>;

export const Release = z
  .strictObject({
    apiVersion: z.literal("cutover/v1").default("cutover/v1"),
    kind: z.literal("Release").default("Release"),
    name: DocumentName.default("release"),
    components: z.array(ReleaseComponent).min(1).max(1000),
    strategy: z.literal("rolling").default("rolling").describe("Batch after batch"),
    rollback_policy: z
      .enum(["auto", "release", "manual"])
      .default("auto")
      .describe("auto undoes the failed batch, release the whole run, manual holds"),
    restore_point: RestorePointWish.optional(),
    policy: DocumentName.optional().describe(
      "A Policy by its name; without it the one called default, else the built-in one",
    ),
  })
  .meta({ id: "Release", description: "What shall run. apiVersion and kind may be left out" });
export type Release = z.infer<typeof Release>;
