// Payload files on local disk, each with a note of its digest and sizes beside it. A file that no longer matches its note is made anew.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { z } from "zod";
import { encodeKeyValues, parseKeyValues } from "../model/key-values.ts";
import { Digest } from "../model/names.ts";
import type { Codec, PayloadFile } from "../ports.ts";

const Note = z.object({ digest: Digest, bytes: z.coerce.number().int(), outputBytes: z.coerce.number().int() });

/** The payload at `path`: what an earlier call made when it is still intact, else what `make` makes there. */
export async function cachedPayload(
  path: string,
  codec: Codec,
  make: () => Promise<PayloadFile>,
): Promise<PayloadFile> {
  const kept = await intact(path, codec);
  if (kept !== undefined) return kept;
  await rm(path, { force: true });
  try {
    const made = await make();
    await remember(made);
    return made;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

async function intact(path: string, codec: Codec): Promise<PayloadFile | undefined> {
  try {
    const note = Note.parse(Object.fromEntries(parseKeyValues(await readFile(`${path}.note`, "utf8")).map(camelCase)));
    return (await digestOfFile(path)) === note.digest ? { path, codec, ...note } : undefined;
  } catch {
    return undefined; // no note, no file, or a broken one: all mean that it has to be made
  }
}

async function remember({ path, digest, bytes, outputBytes }: PayloadFile): Promise<void> {
  const note = encodeKeyValues([
    ["digest", digest],
    ["bytes", `${bytes}`],
    ["output-bytes", `${outputBytes}`],
  ]);
  await writeFile(`${path}.note.part`, note);
  await rename(`${path}.note.part`, `${path}.note`);
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

function camelCase([key, value]: readonly [string, string]): [string, string] {
  return [key === "output-bytes" ? "outputBytes" : key, value];
}
