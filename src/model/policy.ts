// Policy: how fast and how carefully a release spreads. Every field has a default, so `resolvePolicy` only drops the tags.
import { z } from "zod";
import type { ResolvedPolicy } from "./desired.ts";
import { DocumentName } from "./release.ts";

const Share = z.string().regex(/^([1-9][0-9]?|100)%$/, "a share such as 25%") as z.ZodType<`${number}%`, `${number}%`>;

export const Policy = z
  .strictObject({
    apiVersion: z.literal("cutover/v1"),
    kind: z.literal("Policy"),
    name: DocumentName,
    canaries: z.int().min(1).max(10_000).default(1).describe("Hosts that go first and alone; never none"),
    batchSize: z
      .union([z.int().min(1).max(20_000), Share])
      .default("25%")
      .describe('Hosts that switch together after the canaries: a number, or a share such as "25%"'),
    soakSeconds: z.int().min(0).max(604_800).default(0).describe("Seconds to watch after each batch"),
    failureBudget: z
      .int()
      .min(0)
      .max(20_000)
      .default(0)
      .describe(
        "Hosts that may go silent in a run before nothing more switches; one that fails always stops its batch",
      ),
    approval: z
      .enum(["merge", "plan-hash"])
      .default("merge")
      .describe(
        "plan-hash: nothing runs until a signed commit names the reviewed plan, as `Cutover-Plan: sha256:…` in its message",
      ),
    drift: z
      .enum(["report", "heal"])
      .default("report")
      .describe(
        "What to do about a host that somebody changed by hand. Heal brings it to what git asks; where the bytes of " +
          "what runs there or was committed are damaged, every try ends stuck with verify-failed until somebody points current back",
      ),
  })
  .meta({ id: "Policy", description: "How a release spreads" });
export type Policy = z.infer<typeof Policy>;

/** What applies when a release names no policy and none is called `default`. */
export const builtInPolicy: ResolvedPolicy = {
  name: "built-in",
  canaries: 1,
  batchSize: "25%",
  soakSeconds: 0,
  failureBudget: 0,
  approval: "merge",
  drift: "report",
};

export function resolvePolicy({ apiVersion: _version, kind: _kind, ...values }: Policy): ResolvedPolicy {
  return values;
}
