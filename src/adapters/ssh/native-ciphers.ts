// ssh2's native ciphers, where they are safe. Addons that are built with the headers of Node.js 24.19 and later remove a hook when one
// of their objects is collected, and earlier runtimes, up to 24.22.0, then abort: nodejs/node#65446, mscdex/ssh2#1511. Whoever imports
// ssh2 imports this first; without them ssh2 goes on in JavaScript, a third slower.
import { readFileSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { satisfies } from "semver";

const require = createRequire(import.meta.url);
const hook = "RemoveEnvironmentCleanupHook";
/** These were seen to survive it. */
const surviving = "^24.22.1 || >=26.4.0";

/** An addon with these contents may end a process of this version of Node.js at any garbage collection. */
export function abortsProcess(addon: Buffer, nodeVersion: string): boolean {
  return addon.includes(hook) && !satisfies(nodeVersion, surviving);
}

/** From now on whoever asks for the module at this path finds nothing in it. */
export function keepFromLoading(path: string): void {
  require.cache[path] = Object.assign(new Module(path), { filename: path, loaded: true, exports: undefined });
}

function addonPath(): string | undefined {
  try {
    return require.resolve("ssh2/lib/protocol/crypto/build/Release/sshcrypto.node");
  } catch {
    return undefined; // not built: ssh2 goes on without it
  }
}

const path = addonPath();
if (path !== undefined && abortsProcess(readFileSync(path), process.versions.node)) keepFromLoading(path);
