// An artifact repository's bytes in a local directory.
import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { CutoverError, orLackingDisk } from "../errors.ts";
import type { ArtifactStorePort } from "../ports.ts";

export function artifactDirectory(directory: string): ArtifactStorePort {
  return {
    name: directory,
    async read(path, maxBytes) {
      await using file = await openIfThere(join(directory, path));
      if (file === undefined) return undefined;
      if ((await file.stat()).size > maxBytes) throw artifactTooLarge(path, maxBytes);
      return file.readFile("utf8");
    },
    async download({ path, target, maxBytes }) {
      await using file = await openIfThere(join(directory, path));
      if (file === undefined) return false;
      if ((await file.stat()).size > maxBytes) throw artifactTooLarge(path, maxBytes);
      await writeAtomically(target, (temporary) =>
        pipeline(file.createReadStream({ autoClose: false }), createWriteStream(temporary, { flush: true })),
      );
      return true;
    },
    write: (path, text) =>
      writeAtomically(join(directory, path), (temporary) => writeFile(temporary, text, { flush: true })),
    upload: (path, source) =>
      writeAtomically(join(directory, path), (temporary) =>
        pipeline(createReadStream(source), createWriteStream(temporary, { flush: true })),
      ),
  };
}

/** `fill` writes a temporary file beside the target; it appears under its name only when complete. Throws LackingError when files cannot be written there. */
export async function writeAtomically(target: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const directory = dirname(target);
  const temporary = `${target}.${randomBytes(6).toString("hex")}.part`;
  try {
    await mkdir(directory, { recursive: true });
    await fill(temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error says why
    throw orLackingDisk(directory, error);
  }
}

export function artifactTooLarge(path: string, maxBytes: number): CutoverError {
  return new CutoverError({
    code: "artifact-too-large",
    message: `${path} in the artifact repository is larger than the ${maxBytes} bytes that it may have`,
    impact: "Reading stopped there; nothing of it is used",
  });
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw orLackingDisk(dirname(path), error);
  }
}
