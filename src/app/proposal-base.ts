// What a proposal stands on: a commit that the Trust in force accepts, and what is known to be bad there.
import type { RangedVersion } from "../desired/ranges.ts";
import { RefusedError } from "../errors.ts";
import { rememberFleet } from "../status/remember-fleet.ts";
import type { Controller } from "./controller.ts";
import { type ControllerMemory, recall } from "./controller-memory.ts";
import { findStatuses } from "./last-known.ts";

export interface ProposalBase {
  readonly commit: string;
  /** The branch that is followed, such as `refs/heads/main`. */
  readonly ref: string;
  /** Why the commit is not the newest one of the branch; undefined when it is. */
  readonly problem: string | undefined;
  readonly memory: ControllerMemory;
}

/** The newest commit of the branch when the Trust in force accepts it; else the last one that was accepted. */
export async function trustedBase({ repository, journal, settings }: Controller): Promise<ProposalBase> {
  const memory = await recall({ journal, settings });
  const { acceptedCommit: accepted, trust } = memory;
  const { commit, ref } = await repository.fetch();
  try {
    await repository.verifySignature(commit, trust.commitSigners);
    if (accepted === undefined || (await repository.isAncestor(accepted, commit)))
      return { commit, ref, problem: undefined, memory };
  } catch (error) {
    if (accepted === undefined || !(error instanceof RefusedError)) throw error;
    return { commit: accepted, ref, problem: error.message, memory };
  }
  const problem = `Commit ${commit.slice(0, 12)} does not contain ${accepted.slice(0, 12)}, which was accepted before`;
  return { commit: accepted, ref, problem, memory };
}

/**
 * What the controller remembers is known best where it runs. Elsewhere, in a CI job, its signed status notes say it; a note
 * can only keep a version from being proposed (T33).
 */
export async function knownQuarantines(
  controller: Controller,
  { commit, memory }: ProposalBase,
  asked: readonly RangedVersion[],
): Promise<ReadonlyMap<string, string>> {
  const { acceptedCommit, quarantined, trust } = memory;
  if (acceptedCommit !== undefined || asked.length === 0)
    return new Map([...quarantined].map(([key, { reason }]) => [key, reason]));
  const releases = [...new Set(asked.map(({ release }) => release))];
  const { statuses } = await findStatuses({ from: controller, commit, controllerKeys: trust.controllerKeys, releases });
  return rememberFleet([...statuses.values()], []).quarantined;
}
