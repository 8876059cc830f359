// The envelope that binds a payload to hosts, run and epoch, signed with the controller's key; it gates decoding on the host.
import { digestOf } from "../model/digest.ts";
import type { Delivery, PayloadFile } from "../model/transfer.ts";
import { type Envelope, type EnvelopePayload, encodeEnvelope, envelopeNamespace } from "../package/envelope.ts";
import type { Fence } from "../ports.ts";
import type { Controller } from "./controller.ts";
import type { LoadedVersion } from "./load-published.ts";

/** A host needs hours at worst to fetch its payload; a forgotten envelope is worth nothing the next day. */
const envelopeLifeSeconds = 24 * 3_600;
/** What unpacking a full payload needs at most; patches say it themselves. */
const unpackMemoryMib = 256;

export interface SignInput {
  readonly controller: Pick<Controller, "signer" | "clock" | "settings">;
  readonly fence: Fence;
  readonly version: LoadedVersion;
  readonly hosts: readonly string[];
  readonly payload: PayloadFile;
  readonly bundlePayload: PayloadFile | undefined;
  readonly why: string;
}

export async function signDelivery(input: SignInput): Promise<Delivery> {
  const { controller, payload, bundlePayload, why } = input;
  const { release } = input.version;
  const envelope = encodeEnvelope(envelopeOf(input));
  const envelopeSignature = await controller.signer.sign({
    keyPath: controller.settings.envelopeKeyPath,
    namespace: envelopeNamespace,
    data: envelope,
  });
  return {
    component: release.component,
    version: release.version,
    release,
    envelope,
    envelopeSignature,
    payload,
    why,
    ...(bundlePayload ? { bundlePayload } : {}),
  };
}

function envelopeOf({ controller, fence, version, hosts, payload, bundlePayload }: SignInput): Envelope {
  const { release, published } = version;
  const unpacks = payload.codec !== "patch" || bundlePayload !== undefined;
  return {
    component: release.component,
    version: release.version,
    epoch: fence.epoch,
    run: fence.run,
    expires: Math.floor(controller.clock.now() / 1_000) + envelopeLifeSeconds,
    hosts: [...hosts],
    memoryMib: Math.max(unpacks ? unpackMemoryMib : 16, payload.memoryMib ?? 0),
    release: digestOf(release.metadata),
    ...(payload.base === undefined ? {} : { base: payload.base as EnvelopePayload["digest"] }),
    tree: envelopePayload(published.tree, payload),
    ...(published.bundle && bundlePayload ? { bundle: envelopePayload(published.bundle, bundlePayload) } : {}),
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
