// Real keys, a real artifact repository and real signatures in a temporary folder, for everything that reads what was published.
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { artifactDirectory } from "../../src/adapters/artifact-directory.ts";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import { sshKeygenKeyMaker, sshKeygenSigner } from "../../src/adapters/ssh-keygen.ts";
import { generateKeys, type KeyPair } from "../../src/app/keys.ts";
import { type PublishInput, type PublishResult, publish } from "../../src/app/publish.ts";
import { Component } from "../../src/model/component.ts";
import { digestOf } from "../../src/model/digest.ts";
import type { Codec, Delivery } from "../../src/model/transfer.ts";
import { artifactRepository } from "../../src/package/artifact-repository.ts";
import { type Envelope, encodeEnvelope, envelopeNamespace } from "../../src/package/envelope.ts";
import { parseReleaseMetadata } from "../../src/package/release-metadata.ts";
import type { ArtifactRepositoryPort, ArtifactStorePort, SignerPort } from "../../src/ports.ts";

/** Path → content. Anything below `bin/`, and every file of a bundle, is executable. */
export type Files = Readonly<Record<string, string | Buffer>>;

export interface PublishVersion {
  readonly version: string;
  /** By default `bin/run`, a script that prints the version. */
  readonly files?: Files;
  /** Executables of the tasks. */
  readonly bundle?: Files;
  /** Laid over a Component named `web` with root `FOLDER/web` and no processes; as in YAML. */
  readonly component?: Readonly<Record<string, unknown>>;
  readonly options?: Partial<
    Pick<
      PublishInput,
      "amend" | "now" | "expiresInDays" | "sequence" | "floor" | "releaseKeys" | "store" | "signer" | "patches"
    >
  >;
}

export interface OfferOptions {
  readonly component?: string;
  readonly version: string;
  readonly hosts: readonly string[];
  readonly run?: string;
  readonly epoch?: number;
  readonly codec?: Codec;
  /** Last word on any field of the envelope, to forge one. */
  readonly envelope?: Partial<Envelope>;
  /** Private key that signs; by default the controller's. */
  readonly keyPath?: string;
}

export interface Publishing {
  readonly folder: string;
  readonly releaseKey: KeyPair;
  /** For thresholds above one, and for keys that no host knows. */
  readonly secondReleaseKey: KeyPair;
  readonly controllerKey: KeyPair;
  /** Directory of the artifact repository. */
  readonly storeDirectory: string;
  readonly store: ArtifactStorePort;
  readonly repository: ArtifactRepositoryPort;
  readonly signer: SignerPort;
  publish(input: PublishVersion): Promise<PublishResult>;
  /** The release, a fresh signed envelope for these hosts, and the payload files: what is sent to a host. */
  offer(options: OfferOptions): Promise<Delivery>;
}

export async function withPublishing<T>(work: (publishing: Publishing) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-published-"));
  try {
    return await work(await makePublishing(folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same in a folder that the caller owns and removes. */
export async function makePublishing(folder: string): Promise<Publishing> {
  const names = ["release", "release-2", "controller"];
  const [releaseKey, secondReleaseKey, controllerKey] = await generateKeys({
    directory: join(folder, "keys"),
    names,
    keyMaker: sshKeygenKeyMaker(),
  });
  if (releaseKey === undefined || secondReleaseKey === undefined || controllerKey === undefined)
    throw new Error("three keys");
  const storeDirectory = join(folder, "artifacts");
  const store = artifactDirectory(storeDirectory);
  const signer = sshKeygenSigner();
  const repository = artifactRepository({ store, cacheDirectory: join(folder, "cache"), tools: patchTools() });
  return {
    ...{ folder, releaseKey, secondReleaseKey, controllerKey, storeDirectory, store, repository, signer },
    async publish({ version, files = defaultFiles(version), bundle, component, options }) {
      const contract = Component.parse({ ...defaultComponent(folder), ...component });
      const directory = join(folder, "trees", `${contract.name}-${version}`);
      await writeFiles(directory, files, (path) => path.startsWith("bin/"));
      const bundleDirectory = `${directory}.tasks`;
      if (bundle !== undefined) await writeFiles(bundleDirectory, bundle, () => true);
      return publish({
        ...{
          directory,
          component: contract,
          version,
          releaseKeys: [releaseKey.privateKeyPath],
          store,
          signer,
          now: Date.now(),
        },
        ...(bundle === undefined ? {} : { bundleDirectory }),
        ...options,
      });
    },
    async offer({ component = "web", version, codec = "zstd", keyPath = controllerKey.privateKeyPath, ...options }) {
      const release = await repository.release(component, version);
      const { tree, bundle } = parseReleaseMetadata(release.metadata);
      const payload = await repository.payload(tree.digest, codec);
      const bundlePayload = bundle === undefined ? undefined : await repository.payload(bundle.digest, codec);
      const part = (digest: string, file: typeof payload) => ({
        ...{ digest, codec: file.codec, payload: file.digest, payloadBytes: file.bytes, outputBytes: file.outputBytes },
      });
      const envelope = encodeEnvelope({
        ...{
          component,
          version,
          epoch: options.epoch ?? 1,
          run: options.run ?? "run-1",
          hosts: [...options.hosts],
          memoryMib: 256,
        },
        expires: Math.floor(Date.now() / 1000) + 3600,
        release: digestOf(release.metadata),
        tree: part(tree.digest, payload),
        ...(bundle === undefined || bundlePayload === undefined ? {} : { bundle: part(bundle.digest, bundlePayload) }),
        ...options.envelope,
      });
      const envelopeSignature = await signer.sign({ keyPath, namespace: envelopeNamespace, data: envelope });
      const delivery = { component, version, release, envelope, envelopeSignature, payload };
      return bundlePayload === undefined ? delivery : { ...delivery, bundlePayload };
    },
  };
}

/** Writes a tree, replacing what was there; directories are made. */
export async function writeFiles(
  directory: string,
  files: Files,
  executable: (path: string) => boolean,
): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
    await chmod(target, executable(path) ? 0o755 : 0o644);
  }
}

/** An allowed_signers file as a host has it. */
export function allowedSigners(principal: "release" | "controller", keys: readonly KeyPair[]): string {
  return keys.map(({ publicKey }) => `${principal} namespaces="${namespaceOf(principal)}" ${publicKey}\n`).join("");
}

function namespaceOf(principal: "release" | "controller"): string {
  return principal === "release" ? "cutover-release" : "cutover-envelope";
}

function defaultComponent(folder: string): Record<string, unknown> {
  return { apiVersion: "cutover/v1", kind: "Component", name: "web", root: join(folder, "web") };
}

function defaultFiles(version: string): Files {
  return { "bin/run": `#!/bin/sh\necho ${version}\n`, "share/version": `${version}\n` };
}
