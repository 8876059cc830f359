// A zstd frame of zeros, written by hand: four bytes for each 128 KiB, and any window that its header likes to ask for.

export function zstdZeros({ bytes, windowLog = 17 }: { readonly bytes: number; readonly windowLog?: number }): Buffer {
  const block = 128 * 1024;
  const lengths = Array.from({ length: Math.ceil(bytes / block) }, (_, at) => Math.min(block, bytes - at * block));
  const blocks = lengths.map((length, at) => {
    const header = Buffer.alloc(4);
    // Last block bit, type 1 (one byte repeated), length; then the byte.
    header.writeUInt32LE((at === lengths.length - 1 ? 1 : 0) | (1 << 1) | (length << 3));
    return header;
  });
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3]), ...blocks]);
}
