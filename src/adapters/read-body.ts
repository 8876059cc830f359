// The body of an HTTP answer from somebody who is not trusted: a cap in bytes, and a lowest speed (T5, T6).

export interface BodyLimits {
  readonly maxBytes: number;
  /** Thrown at the first byte past the cap. */
  readonly tooLarge: () => Error;
  /** Less than this many bytes within a window ends the reading. */
  readonly slowestBytesPerSecond: number;
  readonly windowMs: number;
  /** Ends the request, with the reason that the reader then sees. */
  readonly abort: (reason: Error) => void;
}

/** The chunks of a body. Whichever way reading ends, nothing of the connection stays open. */
export async function* readBody(body: ReadableStream<Uint8Array>, limits: BodyLimits): AsyncGenerator<Uint8Array> {
  const { maxBytes, slowestBytesPerSecond, windowMs } = limits;
  let total = 0;
  let before = 0;
  const watch = setInterval(() => {
    if (total - before < (slowestBytesPerSecond * windowMs) / 1000) {
      limits.abort(new Error(`fewer than ${slowestBytesPerSecond} bytes a second`));
    }
    before = total;
  }, windowMs);
  try {
    for await (const chunk of body) {
      total += chunk.length;
      if (total > maxBytes) throw limits.tooLarge();
      yield chunk;
    }
  } finally {
    clearInterval(watch);
  }
}
