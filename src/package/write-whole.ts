// Files that are there whole or not at all, however many processes make the same one.
import { randomBytes } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** `fill` writes a file of its own beside `target`, which gets that name when `fill` is through; its directory is made. On failure what was at `target` stays, and a killed process leaves a `.part`. */
export async function writeWhole<T>(target: string, fill: (temporary: string) => Promise<T>): Promise<T> {
  await mkdir(dirname(target), { recursive: true });
  const temporary = `${target}.${randomBytes(6).toString("hex")}.part`;
  try {
    const filled = await fill(temporary);
    await rename(temporary, target);
    return filled;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error says why
    throw error;
  }
}
