// Which hosts go together. Pure.
import type { ResolvedPolicy } from "../model/desired.ts";

/** Canaries come first and alone, so a bad release stops before it spreads. Nothing to do is an empty list. */
export function batchHosts(
  hosts: readonly string[],
  policy: Pick<ResolvedPolicy, "canaries" | "batchSize">,
): string[][] {
  const canaries = hosts.slice(0, policy.canaries);
  const rest = hosts.slice(policy.canaries);
  const size = batchSizeOf(policy.batchSize, hosts.length);
  const batches = [canaries];
  for (let start = 0; start < rest.length; start += size) batches.push(rest.slice(start, start + size));
  return batches.filter((batch) => batch.length > 0);
}

/** At least one host, shares rounded down so that a batch is never larger than the policy says. */
function batchSizeOf(batchSize: ResolvedPolicy["batchSize"], total: number): number {
  const size = typeof batchSize === "number" ? batchSize : Math.floor((total * Number.parseFloat(batchSize)) / 100);
  return Math.max(1, size);
}
