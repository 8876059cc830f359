// A lock between processes of this machine that a killed holder cannot keep: flock(1) holds it as long as its input is open.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { CutoverError } from "../errors.ts";

/** Runs `body` while holding `path`, which is made when missing. Throws `lock-timeout` when another holds it for too long. */
export async function withFileLock<T>(path: string, withinMs: number, body: () => Promise<T>): Promise<T> {
  const seconds = Math.ceil(withinMs / 1000);
  const child = spawn("flock", ["-w", String(seconds), path, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = once(child, "close");
  try {
    const held = await Promise.race([once(child.stdout, "data").then(() => true), ended.then(() => false)]);
    if (!held)
      throw new CutoverError({
        code: "lock-timeout",
        message: `${path} was held for ${seconds} s`,
        disposition: "wait",
      });
    return await body();
  } finally {
    child.stdin.end();
    await ended;
  }
}
