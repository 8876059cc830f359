// The newest published version that a range takes and that may be asked for: signed by the Trust, not expired, not quarantined.
import type { RangedVersion } from "../desired/ranges.ts";
import { newerWithin } from "../desired/ranges.ts";
import { CutoverError } from "../errors.ts";
import type { Component } from "../model/component.ts";
import { contractChangeText } from "../model/review.ts";
import type { Trust } from "../model/trust.ts";
import { contractChanges } from "../package/contract-changes.ts";
import { parseReleaseMetadata, type ReleaseMetadata } from "../package/release-metadata.ts";
import type { Controller } from "./controller.ts";
import { loadVersion } from "./load-published.ts";

/** A version in range that is not proposed, and why. */
export interface PassedOver {
  readonly component: string;
  readonly version: string;
  /** `quarantined`, `expired`, or the code of the error. */
  readonly reason: string;
  readonly message: string;
}

export interface NewerVersion {
  readonly asked: RangedVersion;
  readonly to: string;
  /** Where the new version's contract differs, entry by entry: `switch.strategy none → restart`. */
  readonly contractChanges: readonly string[];
}

export interface Sought {
  /** Undefined when nothing above the pinned version may be asked for. */
  readonly newer: NewerVersion | undefined;
  /** Higher than what was found. */
  readonly passedOver: readonly PassedOver[];
}

export interface VersionSource {
  readonly controller: Pick<Controller, "artifacts" | "signer" | "clock">;
  readonly trust: Trust;
  /** Keyed by `component@tree`, with the reason. */
  readonly quarantined: ReadonlyMap<string, string>;
}

/** A commit message is no place for more. */
const maxChangesShown = 40;
/** So many candidates are looked at; whoever published more bad ones in a row has another problem. */
const maxCandidates = 20;

/** Throws only what is worth another try, such as `artifacts-unreachable`; a version that cannot be used is passed over. */
export async function findNewer(source: VersionSource, asked: RangedVersion): Promise<Sought> {
  const { component, range, pinned } = asked;
  const published = await source.controller.artifacts.versions(component);
  const passedOver: PassedOver[] = [];
  for (const version of newerWithin(published, { range, above: pinned }).slice(0, maxCandidates)) {
    const found = await usable(source, { component, version });
    if ("reason" in found) {
      passedOver.push({ component, version, ...found });
      continue;
    }
    const contractChanges = await changesOfContract(source, { component, from: pinned, to: found.contract });
    return { newer: { asked, to: version, contractChanges }, passedOver };
  }
  return { newer: undefined, passedOver };
}

async function usable(
  { controller, trust, quarantined }: VersionSource,
  wanted: { component: string; version: string },
): Promise<ReleaseMetadata | Pick<PassedOver, "reason" | "message">> {
  try {
    const { release } = await loadVersion(controller, { ...wanted, trust });
    const metadata = parseReleaseMetadata(release.metadata);
    const quarantine = quarantined.get(`${wanted.component}@${metadata.tree.digest}`);
    if (quarantine !== undefined)
      return { reason: "quarantined", message: `quarantined: ${quarantine}; cutover retry --reason '…' lifts it` };
    if (metadata.expires * 1000 <= controller.clock.now())
      return { reason: "expired", message: "its time for a first use is over; publish it again with --amend" };
    return metadata;
  } catch (error) {
    if (!(error instanceof CutoverError) || error.disposition === "retry") throw error;
    return { reason: error.code, message: error.message };
  }
}

/** Nothing is said about a pinned version that cannot be read: the comparison is a courtesy to the reviewer. */
async function changesOfContract(
  { controller, trust }: VersionSource,
  { component, from, to }: { component: string; from: string | undefined; to: Component },
): Promise<string[]> {
  if (from === undefined) return [];
  const before = await loadVersion(controller, { component, version: from, trust }).catch((error: unknown) => {
    if (error instanceof CutoverError) return undefined;
    throw error;
  });
  if (before === undefined) return [];
  const changes = contractChanges(parseReleaseMetadata(before.release.metadata).contract, to).map(contractChangeText);
  const left = changes.length - maxChangesShown;
  return left > 0 ? [...changes.slice(0, maxChangesShown), `and ${left} entries more`] : changes;
}
