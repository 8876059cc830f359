// What goes to hosts: made once for all that get the same, whether that is a patch, a chain of patches or the full artifact.
import type { Host } from "../model/fleet.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { Task } from "../model/task.ts";
import type { Delivery } from "../model/transfer.ts";
import { once } from "../package/once.ts";
import type { Fence } from "../ports.ts";
import type { EarlierDelivery } from "../run/deliver-task.ts";
import type { Controller } from "./controller.ts";
import { type FoundPayload, findPayload, forgetShared, type PayloadSources } from "./find-payload.ts";
import type { LoadedVersion, WantedVersion } from "./load-published.ts";
import { signDelivery } from "./sign-delivery.ts";
import { codecOf, type HostView, makeTransferBook, type TransferBookInput } from "./transfer-book.ts";
import { plannedVersions, refuseOtherVersion } from "./version-changed.ts";

export interface DeliveriesInput {
  readonly controller: Pick<Controller, "artifacts" | "signer" | "clock" | "settings">;
  readonly plan: Plan;
  readonly fence: Fence;
  readonly sources: RunSources;
  /** Patches that nobody published are made here, which takes a while. */
  readonly onMaking: PayloadSources["onMaking"];
  readonly signal: AbortSignal;
}

/** Asked only when bytes are still to be sent: a run past that needs no artifact repository. */
export interface RunSources {
  versionOf(wanted: WantedVersion): Promise<LoadedVersion>;
  observationOf(host: Host): Promise<Observation>;
  /** Whose signatures make a list of patches count. */
  readonly trust: TransferBookInput["trust"];
}

/**
 * Returns the delivery for a `distribute` task; a host that refused a patch gets the full artifact. Throws `version-changed` when the version is not the planned one any more, as after a kill.
 */
export function makeDeliveries(
  input: DeliveriesInput,
): (task: Task, host: Host, earlier?: EarlierDelivery) => Promise<Delivery> {
  const { controller, sources, onMaking, signal } = input;
  const book = makeTransferBook({
    controller,
    trust: sources.trust,
    versionOf: sources.versionOf,
    changes: input.plan.changes,
  });
  const { artifacts } = controller;
  const payloads: PayloadSources = { artifacts, book, making: new Map(), onMaking, signal };
  const planned = plannedVersions(input.plan);
  const found = new Map<string, Promise<FoundPayload>>();
  const signed = new Map<string, Promise<Delivery>>();
  // The next host, or the next try, asks an artifact repository that failed again.
  return async ({ component, version }, host, { refused, spoiled } = {}) => {
    if (spoiled) forgetShared(book, found, signed);
    const wanted = { component, version };
    const observation = await sources.observationOf(host);
    const view = refused === undefined ? await book.viewOf(wanted, observation) : wholeView(refused, observation);
    const loaded = await sources.versionOf(wanted);
    refuseOtherVersion(loaded.published, planned(`${component}@${version}`));
    const request = { wanted, tree: loaded.published.tree, view };
    const key = JSON.stringify([wanted, view]);
    const { payload, why } = await once(found, { key, keep: "for-good" }, () => findPayload(payloads, request));
    // Patches from two versions may have equal bytes: an envelope names what it starts from.
    const same = `${component}@${version} ${payload.digest} ${payload.base ?? ""} ${view.codec}`;
    return once(signed, { key: same, keep: "for-good" }, async () => {
      const { bundle } = loaded.published;
      const bundlePayload = bundle === undefined ? undefined : await artifacts.payload(bundle, view.codec);
      const hosts = receivers(input.plan, wanted);
      const said = refused === undefined ? why : `full artifact, since the host refused a patch: ${refused}`;
      const { fence } = input;
      return signDelivery({ controller, fence, version: loaded, hosts, payload, bundlePayload, why: said });
    });
  };
}

/** Hosts that the version is meant for: those that change, and that of a task which is run by itself. */
function receivers({ changes, steps }: Plan, { component, version }: WantedVersion): string[] {
  const changing = changes.filter((change) => change.component === component && change.to === version);
  if (changing.length > 0) return changing.map(({ host }) => host);
  const tasks = steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const mine = tasks.filter((task) => task.kind === "distribute" && task.component === component);
  return mine.filter((task) => task.version === version).map(({ host }) => host);
}

/** Full artifacts only. A host that could not run a decoder is not sent what needs the same one. */
function wholeView(refused: string, observation: Observation): HostView {
  const tools = observation.kind === "observed" ? observation.facts.tools : [];
  const usable = refused === "no-codec" ? tools.filter((tool) => tool !== "zstd") : tools;
  return { codec: codecOf(usable), variants: [], built: false, bases: [] };
}
