// Keys of the publisher and the controller, and host.sh as a component signed by the user's own release key.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { Component } from "../model/component.ts";
import { digestOf } from "../model/digest.ts";
import type { ArtifactStorePort, KeyMakerPort, SignerPort } from "../ports.ts";
import { type PublishResult, publish } from "./publish.ts";

export interface KeyPair {
  readonly name: string;
  readonly privateKeyPath: string;
  readonly publicKeyPath: string;
  /** Without comment, as a Trust document lists it. */
  readonly publicKey: string;
}

/** Makes ed25519 pairs `DIRECTORY/NAME` and `DIRECTORY/NAME.pub`. Never overwrites: throws `key-exists`. */
export async function generateKeys(input: {
  readonly directory: string;
  /** For example `release` and `controller`. */
  readonly names: readonly string[];
  readonly keyMaker: KeyMakerPort;
}): Promise<KeyPair[]> {
  const { directory, names, keyMaker } = input;
  const bad = names.find((name) => !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name));
  if (bad !== undefined) throw new UsageError(`${JSON.stringify(bad)} is not a plain file name`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const pairs: KeyPair[] = [];
  for (const name of names) {
    const privateKeyPath = join(directory, name);
    const publicKey = await keyMaker.generate({ path: privateKeyPath, comment: `cutover ${name}` });
    pairs.push({ name, privateKeyPath, publicKeyPath: `${privateKeyPath}.pub`, publicKey });
  }
  return pairs;
}

/** The component that host.sh is: no process, only `current` moves. */
export const hostComponentName = "cutover-host";
export const defaultHostRoot = "/var/lib/cutover/host";

export interface SignHostInput {
  /** The joined host.sh. */
  readonly script: string;
  readonly releaseKeys: readonly string[];
  readonly store: ArtifactStorePort;
  readonly signer: SignerPort;
  readonly now: number;
  /** By default the first 12 digits of the script's SHA-256, so that equal scripts are one version. */
  readonly version?: string;
  readonly root?: string;
  readonly expiresInDays?: number;
  readonly deadlineSeconds?: number;
}

/** Publishes host.sh as component `cutover-host`. Idempotent as `publish` is. */
export async function signHost(input: SignHostInput): Promise<PublishResult> {
  const { script, releaseKeys, store, signer, now, expiresInDays, deadlineSeconds } = input;
  const component = Component.parse({
    apiVersion: "cutover/v1",
    kind: "Component",
    name: hostComponentName,
    root: input.root ?? defaultHostRoot,
    ...(deadlineSeconds === undefined ? {} : { deadlineSeconds }),
  });
  const directory = await mkdtemp(join(tmpdir(), "cutover-host-"));
  try {
    await writeFile(join(directory, "host.sh"), script, { mode: 0o755 });
    const version = input.version ?? digestOf(script).slice("sha256:".length, "sha256:".length + 12);
    const days = expiresInDays === undefined ? {} : { expiresInDays };
    return await publish({ directory, component, version, releaseKeys, store, signer, now, ...days });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
