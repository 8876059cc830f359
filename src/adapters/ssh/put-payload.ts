// A payload goes to a host in chunks, each acknowledged before the next: a link that dies costs at most one of them twice (R10).
import { type FileHandle, open } from "node:fs/promises";
import { CutoverError } from "../../errors.ts";
import type { PayloadFile } from "../../model/transfer.ts";
import type { OnBytes } from "../../ports.ts";
import type { SessionClient } from "./session-client.ts";

/** Large enough that waiting for the answer does not count on a far link, small enough to send again. */
export const putChunkBytes = 4 * 2 ** 20;
const readBytes = 256 * 1024;
/** Checking a signature or a digest of a large payload takes a while on a slow disk. */
export const receiveSilenceMs = 120_000;
/** For one chunk or document, on the slowest link that is still worth it: 5 KiB a second. */
export const receiveDeadlineMs = 15 * 60_000;

/** Goes on where an earlier connection stopped; what is already there is not sent again. `onBytes` hears of bytes as they are handed to the link. */
export async function putPayload(session: SessionClient, file: PayloadFile, onBytes: OnBytes): Promise<void> {
  const [have] = await session.request({ verb: "have", args: [file.digest] });
  let offset = Number(have);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > file.bytes)
    throw new CutoverError({ code: "host-protocol", message: `have answered ${have}` });
  if (offset === file.bytes) return;
  const start = offset;
  await using local = await open(file.path, "r").catch((cause: unknown) => {
    throw payloadMissing(file, cause);
  });
  if ((await local.stat()).size !== file.bytes) throw payloadMissing(file, new Error("its size changed"));
  while (offset < file.bytes) {
    const bytes = Math.min(putChunkBytes, file.bytes - offset);
    const before = offset;
    await session.request({
      verb: "put",
      args: [file.digest, String(offset), String(bytes)],
      payload: chunksOf({ file, local, start: offset, bytes }),
      silenceMs: receiveSilenceMs,
      deadlineMs: receiveDeadlineMs,
      onSent: (sent) => onBytes(before + sent - start, before + sent),
    });
    offset += bytes;
  }
}

interface Chunk {
  readonly file: PayloadFile;
  readonly local: FileHandle;
  readonly start: number;
  readonly bytes: number;
}

/** Exactly the bytes that were announced: a file that ends early would leave the host waiting for the rest. */
async function* chunksOf({ file, local, start, bytes }: Chunk): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < bytes; ) {
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, bytes - sent));
    const { bytesRead } = await local.read(buffer, 0, buffer.length, start + sent).catch((cause: unknown) => {
      throw payloadMissing(file, cause);
    });
    if (bytesRead === 0) throw payloadMissing(file, new Error("it is shorter than it was"));
    yield buffer.subarray(0, bytesRead);
    sent += bytesRead;
  }
}

/** Ours, not the host's: the next pass makes the file anew. */
function payloadMissing(file: PayloadFile, cause: unknown): CutoverError {
  return new CutoverError({
    code: "payload-missing",
    message: `The kept payload ${file.path} cannot be read any more`,
    disposition: "retry",
    evidence: cause instanceof Error ? cause.message : String(cause),
    impact: "Nothing more of it is sent; the next pass fetches it again",
    cause,
  });
}
