// Accepting the newest commit, or remembering why it was refused: both are journaled before they count.
import type { LoadedDesired } from "../desired/load-desired.ts";
import { encodeTrust } from "../model/trust.ts";
import type { JournalPort } from "../ports.ts";
import { makeAppender } from "../run/append.ts";
import type { Controller } from "./controller.ts";
import { remember } from "./controller-memory.ts";
import { readNewest } from "./read-newest.ts";

const fleetStream = "fleet";
const generationStream = "generations";

/** The newest commit, checked against the Trust of the last accepted one. Throws what `readNewest` throws. */
export async function acceptCommit(controller: Controller): Promise<LoadedDesired> {
  const { memory, loaded } = await readNewest(controller, {
    async onRefused({ commit, error, memory: { refused } }) {
      if (refused?.commit === commit && refused.code === error.code) return;
      const { code, message, evidence = "" } = error;
      await remember(controller, { kind: "commit-refused", commit, code, message, evidence });
    },
  });
  const { commit } = loaded.desired;
  if (memory.acceptedCommit !== commit || memory.refused !== undefined) {
    const trust = encodeTrust(loaded.nextTrust);
    await remember(controller, { kind: "commit-accepted", commit, signer: loaded.signer, trust });
  }
  await keepGeneration(controller, loaded.desired);
  await keepNames(controller, loaded.desired);
  return loaded;
}

/** Since when these documents are in force; undefined when others are, or none yet. */
export async function inForceSince(
  journal: Pick<JournalPort, "newest">,
  generation: string,
): Promise<number | undefined> {
  const kept = await journal.newest(generationStream);
  return kept?.kind === "generation-accepted" && kept.generation === generation ? kept.at : undefined;
}

/** Exported for tests of what depends on it. */
export async function keepGeneration(
  controller: Pick<Controller, "journal" | "clock">,
  { generation, commit }: Pick<LoadedDesired["desired"], "generation" | "commit">,
): Promise<void> {
  const kept = await controller.journal.newest(generationStream);
  if (kept?.kind === "generation-accepted" && kept.generation === generation) return;
  const appender = makeAppender({ ...controller, stream: generationStream, last: kept?.sequence ?? 0 });
  await appender.append({ kind: "generation-accepted", generation, commit });
}

/** Host names of the last accepted commit; of the last run when no commit said them; undefined when nobody knows. */
export async function knownHosts(journal: JournalPort): Promise<readonly string[] | undefined> {
  const kept = (await journal.read(fleetStream)).at(-1);
  if (kept?.kind === "fleet-accepted") return kept.hosts;
  const newest = (await journal.streams("run/")).at(-1);
  const planned = newest === undefined ? undefined : (await journal.read(newest))[0];
  return planned?.kind === "run-planned" ? planned.fleet.map(({ name }) => name) : undefined;
}

/** Names of the last accepted commit; undefined before the first, and in a journal that was kept without those of Releases. */
export async function namesInForce(
  journal: Pick<JournalPort, "newest">,
): Promise<{ readonly hosts: ReadonlySet<string>; readonly releases: ReadonlySet<string> } | undefined> {
  const kept = await journal.newest(fleetStream);
  if (kept?.kind !== "fleet-accepted" || kept.releases === undefined) return undefined;
  return { hosts: new Set(kept.hosts), releases: new Set(kept.releases) };
}

/** Exported for tests of what depends on it. */
export async function keepNames(
  controller: Pick<Controller, "journal" | "clock">,
  desired: {
    readonly hosts: readonly { readonly name: string }[];
    readonly releases: readonly { readonly name: string }[];
  },
): Promise<void> {
  const hosts = desired.hosts.map(({ name }) => name);
  const releases = desired.releases.map(({ name }) => name);
  const kept = await controller.journal.newest(fleetStream);
  const isSame = (a: readonly string[] | undefined, b: readonly string[]) => a?.join() === b.join();
  if (kept?.kind === "fleet-accepted" && isSame(kept.hosts, hosts) && isSame(kept.releases, releases)) return;
  const appender = makeAppender({ ...controller, stream: fleetStream, last: kept?.sequence ?? 0 });
  await appender.append({ kind: "fleet-accepted", hosts, releases });
}
