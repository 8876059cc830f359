// Headers of a tar that stand for no entry of their own (pax records, long names) are kept in memory whole by whoever reads them,
// so how long they may be is decided here, by the 512 bytes in front of them.
import { Transform } from "node:stream";

const blockBytes = 512;
const most = 64 * 1024;
/** pax for one entry and for all, GNU's long names and long link targets. */
const carriers = new Set(["x", "g", "L", "N", "K"]);
const directory = "5";

/** Passes a tar through; fails before a byte of a header above 64 KiB is passed. A pax record that resizes its entry is not followed: refuse such entries. */
export function boundTarHeaders(): Transform {
  const header = Buffer.alloc(blockBytes);
  let filled = 0;
  let body = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        for (let at = 0; at < chunk.length; ) {
          const skipped = Math.min(body, chunk.length - at);
          body -= skipped;
          at += skipped;
          const taken = chunk.copy(header, filled, at, Math.min(chunk.length, at + blockBytes - filled));
          filled += taken;
          at += taken;
          if (filled < blockBytes) continue;
          filled = 0;
          body = bodyBytes(header);
        }
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

/** What follows a header, padding included. */
function bodyBytes(header: Buffer): number {
  const flag = header.toString("latin1", 156, 157);
  const size = sizeOf(header.subarray(124, 136));
  if (carriers.has(flag) && size > most)
    throw new Error(`a tar header of ${size} bytes is longer than any that is taken`);
  return flag === directory ? 0 : Math.ceil(size / blockBytes) * blockBytes;
}

/** Octal digits, or base 256 when the first bit is set; any other form could be read in two ways. */
function sizeOf(field: Buffer): number {
  const [first = 0] = field;
  if (first === 0x80) {
    const size = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    if (!Number.isSafeInteger(size)) throw new Error("a tar header has a size past all bounds");
    return size;
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field.toString("latin1"))?.[1];
  if (digits === undefined) throw new Error("a tar header has a malformed size");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}
