// Frames of the WebSocket protocol (RFC 6455, section 5): read from bytes, and made as a client makes them.

export const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

const LARGEST_PAYLOAD = 64 * 1024;

/** All whole frames, and what is left over. `problem` says why nothing more can be read. */
export function readFrames(bytes: Buffer): {
  readonly frames: readonly Frame[];
  readonly rest: Buffer;
  readonly problem?: string;
} {
  const frames: Frame[] = [];
  let at = 0;
  for (;;) {
    const size = frameSize(bytes.subarray(at));
    if (size === undefined || at + size.head + size.payload > bytes.length) break;
    if (size.payload > LARGEST_PAYLOAD) return { frames, rest: bytes.subarray(at), problem: "a frame is too large" };
    const start = at + size.head;
    const payload = bytes.subarray(start, start + size.payload);
    frames.push({ opcode: (bytes[at] ?? 0) & 0x0f, payload: Buffer.from(payload) });
    at = start + size.payload;
  }
  const rest = bytes.subarray(at);
  return rest.length > LARGEST_PAYLOAD + 16 ? { frames, rest, problem: "a frame is too large" } : { frames, rest };
}

/** A service masks nothing, so its heads have 2, 4 or 10 bytes. undefined while the head is not whole. */
function frameSize(bytes: Buffer): { readonly head: number; readonly payload: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  if (short < 126) return { head: 2, payload: short };
  if (short === 126) return bytes.length < 4 ? undefined : { head: 4, payload: bytes.readUInt16BE(2) };
  return bytes.length < 10 ? undefined : { head: 10, payload: Number(bytes.readBigUInt64BE(2)) };
}

/** One whole frame with a payload of at most 125 bytes, masked as everything from a client must be. */
export function maskedFrame(input: {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly mask: Buffer;
}): Buffer {
  const { opcode, payload, mask } = input;
  const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]);
}
