// What the roles share: where the listener comes from, which version this is, how a line is logged.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const mainFile = fileURLToPath(new URL("./main.mjs", import.meta.url));

/** `version`, and `failOneIn`: 0, or N when one request in N is to answer 500. */
export const release = JSON.parse(readFileSync(new URL("./version.json", import.meta.url), "utf8"));

/** Workers find the listener here, whatever its number is in the primary. */
export const WORKER_LISTENER = 3;

/**
 * The inherited listening descriptor as in sd_listen_fds(3), or undefined on a cold start.
 * LISTEN_PID names whom the descriptor is meant for; LISTEN_FD its number, else 3.
 */
export function inheritedListener(env = process.env) {
  if (env.LISTEN_FDS !== "1") return undefined;
  if (env.LISTEN_PID !== undefined && env.LISTEN_PID !== String(process.pid)) return undefined;
  const descriptor = Number(env.LISTEN_FD ?? 3);
  if (!Number.isInteger(descriptor) || descriptor < 3)
    throw new Error(`LISTEN_FD is not a descriptor: ${env.LISTEN_FD}`);
  return descriptor;
}

/** The environment of a child: ours without what was meant for this process only, plus `extra`. */
export function childEnvironment(extra) {
  const { LISTEN_FDS, LISTEN_FD, LISTEN_PID, LISTEN_FDNAMES, CUTOVER_VERSION_DIR, SHOP_ROLE, ...env } = process.env;
  return { ...env, ...extra };
}

export function log(role, text) {
  process.stdout.write(`${new Date().toISOString()} shop ${release.version} ${role} ${process.pid}: ${text}\n`);
}
