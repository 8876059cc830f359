// What goes to hosts, and the envelope that binds it to them: made once per version and codec, shared by all hosts.
import { digestOf } from "../model/digest.ts";
import type { Host } from "../model/fleet.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { Task } from "../model/task.ts";
import { type EnvelopePayload, encodeEnvelope, envelopeNamespace } from "../package/envelope.ts";
import type { Codec, Delivery, Fence, PayloadFile } from "../ports.ts";
import type { Controller } from "./controller.ts";
import type { LoadedVersion, WantedVersion } from "./load-published.ts";

/** A host needs hours at worst to fetch its payload; a forgotten envelope is worth nothing the next day. */
const envelopeLifeSeconds = 24 * 3_600;
const decoderMemoryMib = 256;

export interface DeliveriesInput {
  readonly controller: Pick<Controller, "artifacts" | "signer" | "clock" | "settings">;
  readonly plan: Plan;
  readonly fence: Fence;
  readonly sources: RunSources;
}

/** Asked only when bytes are still to be sent: a run past that needs no artifact repository. */
export interface RunSources {
  versionOf(wanted: WantedVersion): Promise<LoadedVersion>;
  observationOf(host: Host): Promise<Observation>;
}

/** Returns the delivery for a `distribute` task. Hosts that can unpack the same codec share one envelope. */
export function makeDeliveries(input: DeliveriesInput): (task: Task, host: Host) => Promise<Delivery> {
  const made = new Map<string, Promise<Delivery>>();
  return async (task, host) => {
    const codec = codecOf(await input.sources.observationOf(host));
    const key = `${task.component}@${task.version} ${codec}`;
    const known = made.get(key);
    if (known) return known;
    const delivery = makeDelivery(input, task, codec);
    made.set(key, delivery);
    // The next host, or the next try, asks an artifact repository that failed again.
    delivery.catch(() => made.delete(key));
    return delivery;
  };
}

/** The best codec that the host says it can unpack (R7). */
function codecOf(observation: Observation): Codec {
  const tools = observation.kind === "observed" ? observation.facts.tools : [];
  return tools.includes("zstd") ? "zstd" : tools.includes("xz") ? "xz" : tools.includes("gzip") ? "gzip" : "none";
}

async function makeDelivery(input: DeliveriesInput, task: Task, codec: Codec): Promise<Delivery> {
  const { controller, fence } = input;
  const { component, version } = task;
  const { release, published } = await input.sources.versionOf({ component, version });
  const payload = await controller.artifacts.payload(published.tree, codec);
  const bundlePayload =
    published.bundle === undefined ? undefined : await controller.artifacts.payload(published.bundle, codec);
  const envelope = encodeEnvelope({
    component,
    version,
    epoch: fence.epoch,
    run: fence.run,
    expires: Math.floor(controller.clock.now() / 1_000) + envelopeLifeSeconds,
    hosts: input.plan.changes
      .filter((change) => change.component === component && change.to === version)
      .map((change) => change.host),
    memoryMib: decoderMemoryMib,
    release: digestOf(release.metadata),
    tree: envelopePayload(published.tree, payload),
    ...(published.bundle && bundlePayload ? { bundle: envelopePayload(published.bundle, bundlePayload) } : {}),
  });
  const envelopeSignature = await controller.signer.sign({
    keyPath: controller.settings.envelopeKeyPath,
    namespace: envelopeNamespace,
    data: envelope,
  });
  return {
    component,
    version,
    release,
    envelope,
    envelopeSignature,
    payload,
    ...(bundlePayload ? { bundlePayload } : {}),
  };
}

function envelopePayload(digest: EnvelopePayload["digest"], file: PayloadFile): EnvelopePayload {
  return {
    digest,
    codec: file.codec,
    payload: file.digest as EnvelopePayload["payload"],
    payloadBytes: file.bytes,
    outputBytes: file.outputBytes,
  };
}
