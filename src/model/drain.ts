// Drain: how a component leaves service before its switch, what it is waited for, and when the wait is over. Fields that were added
// later have no default: texts that were signed without them read back as they are.
import { z } from "zod";
import { AbsolutePath, CheckUrl, TaskName } from "./contract-values.ts";

export const MetricName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z_:][A-Za-z0-9_:]*$/, "the name of a Prometheus metric")
  .meta({ id: "MetricName" });

export const TimeOfDay = z
  .string()
  .regex(/^(?:[01][0-9]|2[0-3]):[0-5][0-9]Z?$/, 'a time of day in quotes, such as "03:30", or "03:30Z" for UTC')
  .meta({ id: "TimeOfDay", description: "HH:MM in the host's own time zone; with Z in UTC" });

export const Inflight = z
  .union([
    z.strictObject({
      metrics: z.strictObject({
        url: CheckUrl.describe("A page in Prometheus's text format, fetched on the host itself"),
        name: MetricName.describe("Summed over all of its labels"),
      }),
    }),
    z.strictObject({ file: AbsolutePath.describe("Its first line is the number; the service writes it") }),
    z.strictObject({ task: TaskName.describe("The last line that its `do` prints is the number") }),
  ])
  .meta({
    id: "Inflight",
    description: "Where the host reads how much work is under way. What cannot be read is no 0",
  });

export const Drain = z
  .strictObject({
    notReadyFile: AbsolutePath.optional().describe(
      "Is there while the host is out of service, for the service's readiness endpoint to look at: made before anything else, gone last. Below a base directory of the host",
    ),
    task: TaskName.optional().describe("Run next; its undo brings the host back"),
    settleSeconds: z
      .int()
      .min(0)
      .max(3600)
      .optional()
      .describe("Time that balancers need to notice; nothing counts as idle before"),
    inflight: Inflight.optional(),
    until: z
      .union([z.enum(["idle", "deadline"]), z.strictObject({ at: TimeOfDay })])
      .optional()
      .describe(
        "idle: nothing is in flight; if something still is after withinSeconds the drain fails, and the host is back in service. deadline: idle, or withinSeconds; what is still in flight is cut and counted. at: that time of day and not before, with the same count; refused when it is more than withinSeconds away. Where inflight is given, deadline is the default",
      ),
    withinSeconds: z.int().min(1).max(86_400).default(60).describe("Longest time that all of it takes"),
  })
  .meta({ id: "Drain", description: "Takes the host out of service before the switch; its undo brings it back" });
export type Drain = z.infer<typeof Drain>;

/** The policy in one word, as signed text has it: `idle`, `deadline`, `03:30Z`. */
export function untilText({ until }: Drain): string | undefined {
  return typeof until === "object" ? until.at : until;
}

/** What a host does where nothing is said: as drain.sh. */
export function effectiveUntil(drain: Drain): string | undefined {
  return untilText(drain) ?? (drain.inflight === undefined ? undefined : "deadline");
}

export function readUntil(text: string | undefined): unknown {
  if (text === undefined || text === "idle" || text === "deadline") return text;
  return { at: text };
}

/** Tasks of the contract that a drain runs, by the field that names them. */
export function drainTasks({ task, inflight }: Drain): { readonly name: string; readonly path: readonly string[] }[] {
  return [
    ...(task === undefined ? [] : [{ name: task, path: ["drain", "task"] }]),
    ...(inflight !== undefined && "task" in inflight
      ? [{ name: inflight.task, path: ["drain", "inflight", "task"] }]
      : []),
  ];
}
