// A payload goes to a host in chunks, each acknowledged before the next: a link that dies costs at most one of them twice (R10).
import { createReadStream } from "node:fs";
import { CutoverError } from "../../errors.ts";
import type { PayloadFile } from "../../ports.ts";
import type { SessionClient } from "./session-client.ts";

/** Large enough that waiting for the answer does not count on a far link, small enough to send again. */
export const putChunkBytes = 4 * 2 ** 20;
/** Checking a signature or a digest of a large payload takes a while on a slow disk. */
export const receiveSilenceMs = 120_000;
/** For one chunk or document, on the slowest link that is still worth it: 5 KiB a second. */
export const receiveDeadlineMs = 15 * 60_000;

/** Goes on where an earlier connection stopped; what is already there is not sent again. `count` hears of bytes as they are handed to the link. */
export async function putPayload(
  session: SessionClient,
  file: PayloadFile,
  count: (bytes: number) => void,
): Promise<void> {
  const [have] = await session.request({ verb: "have", args: [file.digest] });
  let offset = Number(have);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > file.bytes)
    throw new CutoverError({ code: "host-protocol", message: `have answered ${have}` });
  while (offset < file.bytes) {
    const bytes = Math.min(putChunkBytes, file.bytes - offset);
    let before = 0;
    await session.request({
      verb: "put",
      args: [file.digest, String(offset), String(bytes)],
      payload: createReadStream(file.path, { start: offset, end: offset + bytes - 1 }),
      silenceMs: receiveSilenceMs,
      deadlineMs: receiveDeadlineMs,
      onSent: (sent) => {
        count(sent - before);
        before = sent;
      },
    });
    offset += bytes;
  }
}
