// Reads published releases from an artifact store. Digests are checked on the way in; signatures are the caller's business.
import { join } from "node:path";
import { CutoverError, RefusedError } from "../errors.ts";
import { maxKeyValueBytes } from "../model/key-values.ts";
import { ComponentName, Digest, Version } from "../model/names.ts";
import type { ArtifactRepositoryPort, ArtifactStorePort, Codec, PayloadFile, PublishedRelease } from "../ports.ts";
import {
  hexOf,
  manifestPath,
  parseVersions,
  payloadPath,
  releasePath,
  signaturesPath,
  versionsPath,
} from "./layout.ts";
import { maxManifestBytes, parseManifest, treeDigest } from "./manifest.ts";
import { nearestVersions } from "./nearest-versions.ts";
import { maxTarBytes, measurePayload, transcodePayload } from "./payload.ts";
import { cachedPayload } from "./payload-cache.ts";
import { parseReleaseMetadata } from "./release-metadata.ts";

export interface ArtifactRepositoryInput {
  readonly store: ArtifactStorePort;
  /** Payloads are kept here by tree digest and codec. */
  readonly cacheDirectory: string;
}

export function artifactRepository({ store, cacheDirectory }: ArtifactRepositoryInput): ArtifactRepositoryPort {
  const making = new Map<string, Promise<PayloadFile>>();

  async function manifest(tree: Digest): Promise<string> {
    const text = await store.read(manifestPath(tree), maxManifestBytes);
    if (text === undefined) throw incomplete(store, manifestPath(tree));
    if (treeDigest(text) !== tree) throw corrupt(manifestPath(tree));
    return text;
  }

  async function versions(component: string): Promise<string[]> {
    const text = await store.read(versionsPath(ComponentName.parse(component)), maxKeyValueBytes);
    return text === undefined ? [] : parseVersions(text).map(({ version }) => version);
  }

  async function makePayload(tree: Digest, codec: Codec): Promise<PayloadFile> {
    const maxOutputBytes = maxTarBytes(parseManifest(await manifest(tree)));
    const target = join(cacheDirectory, `${hexOf(tree)}.tar.${codec}`);
    return cachedPayload(target, codec, async () => {
      if (codec === "zstd") return downloadPayload(tree, { target, maxOutputBytes });
      const source = await payload(tree, "zstd");
      return transcodePayload({ source: source.path, codec, target, maxOutputBytes });
    });
  }

  async function downloadPayload(
    tree: Digest,
    limits: { target: string; maxOutputBytes: number },
  ): Promise<PayloadFile> {
    const { target, maxOutputBytes } = limits;
    const maxBytes = Math.ceil(maxOutputBytes * 1.01); // what does not compress grows a little
    const found = await store.download({ path: payloadPath(tree), target, maxBytes });
    if (!found) throw incomplete(store, payloadPath(tree));
    return measurePayload(target, maxOutputBytes);
  }

  /** Asked twice at once, it is made once. Nothing is remembered beyond that: a kept file may be damaged by now (F21). */
  function payload(tree: Digest, codec: Codec): Promise<PayloadFile> {
    const key = `${tree}.${codec}`;
    const running = making.get(key);
    if (running !== undefined) return running;
    const made = makePayload(tree, codec).finally(() => making.delete(key));
    making.set(key, made);
    return made;
  }

  return {
    versions,
    async release(component, version) {
      const metadata = await store.read(
        releasePath(ComponentName.parse(component), Version.parse(version)),
        maxKeyValueBytes,
      );
      if (metadata === undefined) throw notPublished(store, { component, version, known: await versions(component) });
      const signatures = await store.read(signaturesPath(component, version), maxKeyValueBytes);
      if (signatures === undefined) throw incomplete(store, signaturesPath(component, version));
      const { tree, bundle } = parseReleaseMetadata(metadata);
      const release: PublishedRelease = {
        component,
        version,
        metadata,
        signatures,
        manifest: await manifest(tree.digest),
      };
      return bundle === undefined ? release : { ...release, bundleManifest: await manifest(bundle.digest) };
    },
    payload: async (tree, codec) => payload(Digest.parse(tree), codec),
  };
}

function notPublished(
  store: ArtifactStorePort,
  { component, version, known }: { component: string; version: string; known: readonly string[] },
): CutoverError {
  const nearest = nearestVersions(version, known);
  return new CutoverError({
    code: "not-published",
    message: `${component} ${version} is not published in ${store.name}`,
    evidence:
      nearest.length === 0
        ? `No version of ${component} is published there`
        : `Nearest published: ${nearest.join(", ")}`,
    impact: "No host can be brought to it",
    remedy: `cutover publish DIR --component ${component}.yaml --version ${version}`,
  });
}

function incomplete(store: ArtifactStorePort, path: string): CutoverError {
  return new CutoverError({
    code: "artifact-incomplete",
    message: `${path} is missing in ${store.name}`,
    impact: "The version cannot be sent to hosts",
    remedy: "publish the version again; what is there already stays",
  });
}

function corrupt(path: string): RefusedError {
  return new RefusedError({
    code: "artifact-corrupt",
    message: `${path} does not have the digest that it is named after`,
    impact: "It is not used",
    remedy: "publish the version again",
  });
}
