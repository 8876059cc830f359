// PlanEdit: what people change about a plan before it runs (R36). It lives in the release repository, so an edit is reviewed
// like what it edits, and every edit says why.
import { z } from "zod";
import { ComponentName, HostName, Version } from "./names.ts";
import { DocumentName } from "./release.ts";

const Reason = z
  .string()
  .min(3)
  .max(300)
  .regex(/^\P{Cc}+$/u, "one line of text")
  .describe("Why; it stands in the plan, in reviews and in the status");
const Batch = z.int().min(1).max(100_000);

export const HoldEdit = z
  .strictObject({
    kind: z.literal("hold"),
    host: HostName,
    component: ComponentName.optional().describe("Only this one; without it the whole host is left alone"),
    reason: Reason,
  })
  .meta({ id: "HoldEdit", description: "Meant as well, and not done while this edit is here" });

export const ExcludeEdit = z
  .strictObject({ kind: z.literal("exclude"), host: HostName, component: ComponentName, reason: Reason })
  .meta({ id: "ExcludeEdit", description: "The release does not mean this component there; it stays as it is" });

export const PinEdit = z
  .strictObject({
    kind: z.literal("pin"),
    component: ComponentName,
    version: Version,
    host: HostName.optional(),
    match: z.record(z.string(), z.string()).optional().describe("Labels that a host must carry, all of them"),
    reason: Reason,
  })
  .refine(({ host, match }) => host !== undefined || Object.keys(match ?? {}).length > 0, {
    path: ["host"],
    message: "a pin says for which host, or which labels to match",
  })
  .meta({ id: "PinEdit", description: "Another version there than the Release asks for" });

export const SplitEdit = z
  .strictObject({
    kind: z.literal("split"),
    batch: Batch.describe("Its number in the plan without edits"),
    size: z.int().min(1).max(20_000).describe("Hosts that go together instead, at most"),
    reason: Reason,
  })
  .meta({ id: "SplitEdit", description: "One batch becomes several smaller ones" });

export const MoveEdit = z
  .strictObject({
    kind: z.literal("move"),
    host: HostName,
    toBatch: Batch.describe("Its number in the plan without edits; one past the last is a batch of its own"),
    reason: Reason,
  })
  .meta({
    id: "MoveEdit",
    description: "What a host does in earlier batches it does in this one; never the other way",
  });

export const GateEdit = z
  .strictObject({
    kind: z.literal("gate"),
    name: DocumentName,
    afterBatch: Batch.optional().describe(
      "Its number in the plan without edits; past the last one means after the last",
    ),
    beforePhase: DocumentName.optional().describe("A phase of the Procedure"),
    reason: Reason,
  })
  .refine(({ afterBatch, beforePhase }) => (afterBatch === undefined) !== (beforePhase === undefined), {
    path: ["name"],
    message: "a gate stands either afterBatch or beforePhase",
  })
  .meta({ id: "GateEdit", description: "The run waits there until a person says `cutover gate open`" });

export const Edit = z.discriminatedUnion("kind", [HoldEdit, ExcludeEdit, PinEdit, SplitEdit, MoveEdit, GateEdit]);
export type Edit = z.infer<typeof Edit>;

export const PlanEdit = z
  .strictObject({
    apiVersion: z.literal("cutover/v1"),
    kind: z.literal("PlanEdit"),
    name: DocumentName,
    release: DocumentName.default("release").describe("The Release whose plan is edited, by its name"),
    edits: z.array(Edit).min(1).max(1000),
  })
  .meta({ id: "PlanEdit", description: "Changes to the plan of one release, reviewed like everything else here" });
export type PlanEdit = z.infer<typeof PlanEdit>;

/** An edit and the document that it stands in. */
export type NamedEdit = Edit & { readonly document: string };

/** `plan edit november: its disk is being replaced`: why something is as it is, in statuses and errors. */
export function editReason({ document, reason }: NamedEdit): string {
  return `plan edit ${document}: ${reason}`;
}
