// Does a zstd file consist of whole frames? Node's decoder takes a file that was cut within its last bytes for a complete one,
// and a host would then refuse it. Only lengths are read here (RFC 8878, section 3.1.1).
import { type FileHandle, open } from "node:fs/promises";

const magic = 0xfd2fb528;
const largestHeader = 18;

/** True when the file ends exactly where a frame ends. Node writes one frame, and at times an empty one behind it. */
export async function hasWholeZstdFrames(path: string): Promise<boolean> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  let at = 0;
  do {
    const next = await endOfFrame(file, at);
    if (next === undefined || next > size) return false;
    at = next;
  } while (at < size);
  return true;
}

async function endOfFrame(file: FileHandle, start: number): Promise<number | undefined> {
  const header = Buffer.alloc(largestHeader);
  await file.read(header, 0, largestHeader, start);
  if (header.readUInt32LE(0) !== magic) return undefined;
  const descriptor = header.readUInt8(4);
  let at = start + 5 + headerFieldBytes(descriptor);
  const block = Buffer.alloc(3);
  for (let last = false; !last; ) {
    const { bytesRead } = await file.read(block, 0, 3, at);
    if (bytesRead < 3) return undefined;
    const blockHeader = block.readUIntLE(0, 3);
    const isRunLength = ((blockHeader >> 1) & 3) === 1;
    last = (blockHeader & 1) === 1;
    at += 3 + (isRunLength ? 1 : blockHeader >> 3);
  }
  return at + ((descriptor & 4) === 0 ? 0 : 4);
}

/** Bytes of window descriptor, dictionary id and content size behind the frame header descriptor. */
function headerFieldBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 32) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes;
}

/** Bytes of window that a decoder needs for the first frame of a file. */
export async function zstdWindowBytes(path: string): Promise<number> {
  await using file = await open(path, "r");
  const header = Buffer.alloc(largestHeader);
  await file.read(header, 0, largestHeader, 0);
  const descriptor = header.readUInt8(4);
  if ((descriptor & 32) === 0) {
    const window = header.readUInt8(5);
    const base = 2 ** (10 + (window >> 3));
    return base + (base / 8) * (window & 7);
  }
  const at = 5 + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >> 6) {
    case 0:
      return header.readUInt8(at);
    case 1:
      return header.readUInt16LE(at) + 256;
    case 2:
      return header.readUInt32LE(at);
    default:
      return Number(header.readBigUInt64LE(at));
  }
}
