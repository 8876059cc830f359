// What a controller sends to a host, put together by hand: honest, or mixed from two versions.
import assert from "node:assert/strict";
import { join } from "node:path";
import { readPrivateKey } from "../../src/adapters/ssh/read-private-key.ts";
import { makeSshExecutor } from "../../src/adapters/ssh/ssh-executor.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { digestOf } from "../../src/model/digest.ts";
import type { Host } from "../../src/model/fleet.ts";
import type { Delivery } from "../../src/model/transfer.ts";
import { encodeEnvelope, envelopeNamespace } from "../../src/package/envelope.ts";
import { parseReleaseMetadata } from "../../src/package/release-metadata.ts";
import type { Fence } from "../../src/ports.ts";
import { signer } from "../../src/wiring.ts";
import type { World } from "./with-world.ts";

export const fence: Fence = { run: "run-1", epoch: 1, holder: "tester" };

/** An executor with the controller's key, and the first host of the lab as the Fleet has it. */
export async function withExecutor(
  world: World,
  body: (executor: ReturnType<typeof makeSshExecutor>, target: Host) => Promise<void>,
): Promise<void> {
  const executor = makeSshExecutor({ privateKey: readPrivateKey(join(world.home, "keys", "controller")), clock: Date });
  const [host] = world.lab.hosts;
  assert.ok(host);
  const { name, address, port, user, hostKeys } = host;
  try {
    await body(executor, {
      name,
      address,
      port,
      user,
      hostKeys: [...hostKeys],
      labels: {},
      components: ["web"],
    } as Host);
  } finally {
    await executor.close();
  }
}

/** What the controller would send, for the tests' own fence. */
export async function deliveryOf(world: World, host: LabHost, version: string): Promise<Delivery> {
  return world.withController(async ({ artifacts }) => {
    const release = await artifacts.release("web", version);
    const { tree } = parseReleaseMetadata(release.metadata);
    const payload = await artifacts.payload(tree.digest, "zstd");
    const envelope = encodeEnvelope({
      ...{ component: "web", version, epoch: fence.epoch, run: fence.run, hosts: [host.name], memoryMib: 256 },
      expires: Math.floor(Date.now() / 1_000) + 3_600,
      release: digestOf(release.metadata),
      tree: {
        ...{ digest: tree.digest, codec: payload.codec, payload: payload.digest as typeof tree.digest },
        ...{ payloadBytes: payload.bytes, outputBytes: payload.outputBytes },
      },
    });
    const keyPath = join(world.home, "keys", "envelope");
    const envelopeSignature = await signer.sign({ keyPath, namespace: envelopeNamespace, data: envelope });
    return { component: "web", version, release, envelope, envelopeSignature, payload };
  });
}

const parts = ["release", "signature", "envelope", "envelope signature", "manifest", "payload"] as const;

/** Every way to take some parts of one version and the others of another; the payload alone is looked at apart. */
export function mixtures(one: Delivery, two: Delivery): { name: string; delivery: Delivery }[] {
  return Array.from({ length: 2 ** parts.length }, (_, bits) => parts.filter((_part, index) => bits & (1 << index)))
    .filter((swapped) => swapped.length > 0 && swapped.join() !== "payload" && swapped.length < parts.length)
    .map((swapped) => {
      const from = (part: (typeof parts)[number]) => (swapped.includes(part) ? two : one);
      return {
        name: `${swapped.join(", ")} of the other version`,
        delivery: {
          component: "web",
          version: one.version,
          release: {
            component: "web",
            version: one.version,
            metadata: from("release").release.metadata,
            signatures: from("signature").release.signatures,
            manifest: from("manifest").release.manifest,
          },
          envelope: from("envelope").envelope,
          envelopeSignature: from("envelope signature").envelopeSignature,
          payload: from("payload").payload,
        },
      };
    });
}
