// Status: the published summary of one release. Goes into git notes and onto pages; never read back to decide what runs (T33).
import { z } from "zod";
import { ComponentName, Digest, HostName, Version } from "./names.ts";

const Millis = z.int().min(0).describe("Milliseconds since the epoch");
/** Characters of a message, and entries of the list of quarantines: longer ones are cut before they are published. */
export const maxText = 2000;
export const maxQuarantined = 1000;
const Text = z.string().max(maxText);
const Word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/, "a word");

export const Condition = z
  .strictObject({
    type: z.enum(["Ready", "Reconciling", "Stalled"]),
    status: z.enum(["True", "False", "Unknown"]),
    reason: Word.describe("A stable word, such as an error's code"),
    message: Text,
  })
  .meta({ id: "Condition" });
export type Condition = z.infer<typeof Condition>;

export const Cut = z
  .strictObject({
    inFlight: z.int().min(0).nullable().describe("At work when its drain was over; null: nobody could tell how many"),
    killed: z.int().min(0).describe("Old processes that did not end in their time to stop"),
  })
  .meta({ id: "Cut", description: "What the switch to this version cut off" });
export type Cut = z.infer<typeof Cut>;

export const TargetStatus = z
  .strictObject({
    host: HostName,
    component: ComponentName,
    /** What it ran before; null on a first install or when nothing changed. */
    from: Version.nullable(),
    /** What it runs by its own word, the last known one when it cannot be reached; null when there is nothing or nobody knows. */
    version: Version.nullable(),
    /** What git asks for. */
    wanted: Version.nullable(),
    since: Millis.describe("Since when it runs that version"),
    outcome: z.enum([
      "in-sync",
      "done",
      "pending",
      "rolled-back",
      "failed",
      "held",
      "drifted",
      "quarantined",
      "unreachable",
      "unknown",
    ]),
    detail: Text.optional(),
    cut: Cut.optional(),
    /** What was committed last, where that is something else than what it runs: a trial, or drift. Null: nothing. */
    committed: Version.nullable().optional(),
    /** Trees of both, where they are not those that `trees` names for these versions. */
    tree: Digest.optional(),
    committedTree: Digest.optional(),
  })
  .meta({ id: "TargetStatus", description: "One component on one host, read back from the host" });
export type TargetStatus = z.infer<typeof TargetStatus>;

export const QuarantinedVersion = z
  .strictObject({ component: ComponentName, version: Version, tree: z.string().max(80), reason: Text })
  .meta({ id: "QuarantinedVersion", description: "Shown to be bad, and not tried again" });
export type QuarantinedVersion = z.infer<typeof QuarantinedVersion>;

export const VersionTree = z
  .strictObject({ component: ComponentName, version: Version, tree: Digest })
  .meta({ id: "VersionTree", description: "Which tree a version of a component is" });
export type VersionTree = z.infer<typeof VersionTree>;

export const SharedFacts = z
  .strictObject({
    tools: z.array(z.string().max(64)).max(100).describe("Programs that these hosts have, sorted"),
    revertsAfterReboot: z.boolean().describe("Whether a reboot during a trial leads back there"),
    unitOrder: z
      .array(z.string().max(700))
      .max(1_000)
      .optional()
      .describe(
        "`COMPONENT UNIT DIRECTIVE COMPONENT UNIT`: units that come after, or need, those of another component",
      ),
    hosts: z.array(HostName).max(100_000),
  })
  .meta({ id: "SharedFacts", description: "What a plan may rely on, for all hosts that have it in common" });
export type SharedFacts = z.infer<typeof SharedFacts>;

const Duration = z.number().min(0).max(1e12).describe("Milliseconds, the median over the hosts");
export const ComponentTiming = z
  .strictObject({
    component: ComponentName,
    buildMs: Duration,
    bytesPerSecond: z.number().min(0).max(1e15).optional().describe("While a payload was sent, a host"),
    switchMs: Duration.describe("Drain, backup, switch, health and undrain together"),
    confirmMs: Duration,
    hosts: z.int().min(1).max(100_000).describe("How many hosts the medians are of"),
    runs: z.int().min(1).max(1_000_000),
    at: Millis.describe("When that run ended"),
  })
  .meta({ id: "ComponentTiming", description: "How long the last run that changed this component took, a host" });
export type ComponentTiming = z.infer<typeof ComponentTiming>;

export const PublishedRestorePoint = z
  .strictObject({
    id: Word,
    at: Millis.describe("When its first part began"),
    withinMs: z.int().min(0),
    spreadMs: z.int().min(0).describe("From the first beginning to the last end, what is not known of clocks included"),
    state: Digest.describe("SHA-256 over the states of all parts"),
    parts: z.int().min(1).max(100_000),
  })
  .meta({
    id: "PublishedRestorePoint",
    description: "What the last run saved at one moment before it switched anything",
  });
export type PublishedRestorePoint = z.infer<typeof PublishedRestorePoint>;

export const Status = z
  .strictObject({
    format: z.literal("cutover-status/1"),
    release: z.string().min(1).max(63),
    commit: z.string().regex(/^[0-9a-f]{40}$/),
    generation: z.string().max(80),
    planHash: z.string().max(80).nullable().describe("The plan that led here, null when none was needed"),
    run: Word.nullable(),
    conditions: z.array(Condition).max(3),
    targets: z.array(TargetStatus).max(100_000),
    trees: z.array(VersionTree).max(100_000).optional(),
    facts: z.array(SharedFacts).max(10_000).optional(),
    timings: z.array(ComponentTiming).max(1_000).optional(),
    restorePoint: PublishedRestorePoint.optional(),
    quarantined: z.array(QuarantinedVersion).max(maxQuarantined),
    at: Millis,
    holder: Word,
    epoch: z.int().min(0),
  })
  .meta({ id: "Status", description: "Who runs what, since when, by which plan" });
export type Status = z.infer<typeof Status>;

/** The word that a reader sees first. Unknown is never Ready (P7). */
export function stateOf({ conditions }: Pick<Status, "conditions">): Condition {
  const holds = (type: Condition["type"]) => conditions.find((each) => each.type === type && each.status === "True");
  const nothing: Condition = { type: "Ready", status: "Unknown", reason: "Unknown", message: "" };
  return (
    holds("Stalled") ??
    holds("Reconciling") ??
    holds("Ready") ??
    conditions.find(({ type }) => type === "Ready") ??
    nothing
  );
}
