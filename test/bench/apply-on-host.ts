// Builds a version on a host of the loopback lab: the real host.sh, over real SSH, from the full payload or from a patch.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readPrivateKey } from "../../src/adapters/ssh/read-private-key.ts";
import { makeSshExecutor } from "../../src/adapters/ssh/ssh-executor.ts";
import { systemClock } from "../../src/adapters/system-clock.ts";
import { enrolHost } from "../../src/app/enrol-host.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { processesIn } from "../../src/lab/processes.ts";
import { digestOf } from "../../src/model/digest.ts";
import { Host } from "../../src/model/fleet.ts";
import type { TaskEvent } from "../../src/model/task.ts";
import type { PayloadFile } from "../../src/model/transfer.ts";
import { encodeEnvelope, envelopeNamespace } from "../../src/package/envelope.ts";
import { parseReleaseMetadata } from "../../src/package/release-metadata.ts";
import type { ExecutorPort, Fence } from "../../src/ports.ts";
import { openController, signer } from "../../src/wiring.ts";
import type { BenchHome } from "./home.ts";

export interface Applied {
  /** By the host's own clock. */
  readonly milliseconds: number;
  /** Of the largest process that was seen, every 50 ms. */
  readonly peakMib: number;
}

export interface Builder {
  /** Throws with the host's word when it refuses. Without a patch the full payload is sent. */
  build(component: string, version: string, patch?: PayloadFile): Promise<Applied>;
  close(): Promise<void>;
}

const fence: Fence = { run: "bench", epoch: 1, holder: "bench" };
const watchEveryMs = 50;

export async function openBuilder(home: BenchHome, labHost: LabHost): Promise<Builder> {
  const { name, address, port, user, hostKeys } = labHost;
  const host = Host.parse({ name, address, port, user, hostKeys: [...hostKeys], labels: {}, components: [] });
  await enrolHost({
    ...{
      host: { name, address, port, user },
      mode: "user",
      stateDirectory: labHost.stateDirectory,
      prefix: labHost.prefix,
    },
    shell: (script) => labHost.run(["sh", "-s"], { input: script }),
    ...{ authorizedKeysFile: labHost.authorizedKeysFile, bases: [labHost.baseDirectory], serviceAddress: address },
    ...{ hostKeys: labHost.hostKeys, components: [] },
    trust: {
      ...{ releaseKeys: [await home.publicKey("release")], threshold: 1 },
      controllerKeys: [await home.publicKey("envelope")],
    },
    controllerSshKey: await home.publicKey("controller"),
  });
  const { controller, close } = await openController(home.config);
  const privateKey = readPrivateKey(join(home.directory, "keys", "controller"));
  const executor = makeSshExecutor({ privateKey, clock: systemClock });
  let steps = 0;
  return {
    async build(component, version, patch) {
      // A host ends a session that asks nothing for ten minutes, and making a large patch takes longer.
      await executor.close();
      const release = await controller.artifacts.release(component, version);
      const { tree } = parseReleaseMetadata(release.metadata);
      const payload = patch ?? (await controller.artifacts.payload(tree.digest, "zstd"));
      const envelope = encodeEnvelope({
        ...{ component, version, epoch: fence.epoch, run: fence.run, hosts: [host.name] },
        memoryMib: Math.max(256, patch?.memoryMib ?? 0),
        expires: Math.floor(Date.now() / 1_000) + 3_600,
        release: digestOf(release.metadata),
        ...(patch?.base === undefined ? {} : { base: patch.base as typeof tree.digest }),
        tree: {
          ...{ digest: tree.digest, codec: payload.codec, payload: payload.digest as typeof tree.digest },
          ...{ payloadBytes: payload.bytes, outputBytes: payload.outputBytes },
        },
      });
      const keyPath = join(home.directory, "keys", "envelope");
      const envelopeSignature = await signer.sign({ keyPath, namespace: envelopeNamespace, data: envelope });
      const delivery = { component, version, release, envelope, envelopeSignature, payload };
      await executor.deliver(host, delivery, fence, () => undefined);
      steps += 1;
      return watching(labHost, () => build(executor, host, { step: `build.${steps}`, component, version }));
    },
    async close() {
      await executor.close();
      await close();
    },
  };
}

async function build(
  executor: ExecutorPort,
  host: Host,
  { step, component, version }: { readonly step: string; readonly component: string; readonly version: string },
): Promise<number> {
  const task = { id: `${host.name}/${component}/build`, host: host.name, component, version, kind: "build" } as const;
  await executor.submit(host, step, [[{ ...task, action: "do", options: {} }]], fence);
  let end: TaskEvent | undefined;
  // Heard to the end: leaving early costs the connection.
  for await (const event of executor.events(host, step, fence)) if (event.state !== "running") end = event;
  if (end?.state === "done") return end.durationMs;
  throw new Error(end === undefined ? "the host said nothing of the build" : `${end.reason}: ${end.evidence}`);
}

/** The peak is what the kernel remembers of each process: a short one is missed only when it lives between two looks. */
async function watching(labHost: LabHost, work: () => Promise<number>): Promise<Applied> {
  let peakKib = 0;
  const look = () => {
    for (const { pid } of processesIn(join(labHost.stateDirectory, ".."))) peakKib = Math.max(peakKib, peakKibOf(pid));
  };
  const timer = setInterval(look, watchEveryMs);
  try {
    const milliseconds = await work();
    return { milliseconds, peakMib: peakKib / 1_024 };
  } finally {
    clearInterval(timer);
  }
}

function peakKibOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0; // it ended meanwhile
  }
}
