// An artifact repository's bytes behind http(s): GET to read, PUT to publish, the same paths as in a directory.
// The far end is not trusted: every body has a cap, every wait a deadline, and no redirect is followed.
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CutoverError, UsageError } from "../errors.ts";
import type { ArtifactStorePort } from "../ports.ts";
import { artifactTooLarge, writeAtomically } from "./artifact-directory.ts";
import { readBody } from "./read-body.ts";

export interface ArtifactHttpOptions {
  /** `https://host/path`; user and password in it are sent as basic authorization and never shown. */
  readonly url: string;
  /** Time until an answer begins. */
  readonly answerMs?: number;
  /** A body that is slower than this over a whole window is given up. */
  readonly slowestBytesPerSecond?: number;
  readonly windowMs?: number;
}

export function artifactHttp(options: ArtifactHttpOptions): ArtifactStorePort {
  const { url, answerMs = 15_000, slowestBytesPerSecond = 4096, windowMs = 10_000 } = options;
  const { base, name, headers } = endpoint(url);

  /** The chunks of a body up to the cap, undefined when there is nothing. */
  async function get(path: string, maxBytes: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    const control = new AbortController();
    const late = setTimeout(() => control.abort(new Error(`no answer within ${answerMs} ms`)), answerMs);
    const response = await translating(path, () =>
      fetch(locate(path), { headers, redirect: "error", signal: control.signal }),
    ).finally(() => clearTimeout(late));
    if (response.ok && response.body !== null) {
      const tooLarge = () => artifactTooLarge(path, maxBytes);
      const abort = (reason: Error) => control.abort(reason);
      return translated(path, readBody(response.body, { maxBytes, tooLarge, slowestBytesPerSecond, windowMs, abort }));
    }
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    throw unreachable(name, path, new Error(`HTTP status ${response.status}`));
  }

  async function put(path: string, body: Uint8Array | Readable, bytes: number): Promise<void> {
    const signal = AbortSignal.timeout(answerMs + Math.ceil((bytes / slowestBytesPerSecond) * 1000));
    const init = { method: "PUT", body, duplex: "half", headers: { ...headers, "content-length": `${bytes}` }, signal };
    const response = await translating(path, () => fetch(locate(path), init as RequestInit));
    await response.body?.cancel();
    if (!response.ok) throw unreachable(name, path, new Error(`HTTP status ${response.status}`));
  }

  function locate(path: string): URL {
    return new URL(path.split("/").map(encodeURIComponent).join("/"), base);
  }

  async function translating<T>(path: string, work: () => Promise<T>): Promise<T> {
    return work().catch((cause: unknown) => {
      throw cause instanceof CutoverError ? cause : unreachable(name, path, cause);
    });
  }

  async function* translated(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks;
    } catch (cause) {
      throw cause instanceof CutoverError ? cause : unreachable(name, path, cause);
    }
  }

  return {
    name,
    async read(path, maxBytes) {
      const chunks = await get(path, maxBytes);
      if (chunks === undefined) return undefined;
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      return Buffer.concat(parts).toString("utf8");
    },
    async download({ path, target, maxBytes }) {
      const chunks = await get(path, maxBytes);
      if (chunks === undefined) return false;
      await writeAtomically(target, (temporary) => pipeline(chunks, createWriteStream(temporary, { flush: true })));
      return true;
    },
    write: (path, text) => put(path, Buffer.from(text, "utf8"), Buffer.byteLength(text)),
    upload: async (path, source) => put(path, createReadStream(source), (await stat(source)).size),
  };
}

function endpoint(url: string): { base: URL; name: string; headers: Record<string, string> } {
  const base = URL.parse(url.endsWith("/") ? url : `${url}/`);
  if (base === null || !["http:", "https:"].includes(base.protocol)) {
    throw new UsageError("An artifact repository is a directory or an http(s) URL");
  }
  const login = `${decodeURIComponent(base.username)}:${decodeURIComponent(base.password)}`;
  base.username = "";
  base.password = "";
  base.search = "";
  base.hash = "";
  const authorization = `Basic ${Buffer.from(login).toString("base64")}`;
  return { base, name: base.href, headers: login === ":" ? {} : { authorization } };
}

function unreachable(name: string, path: string, cause: unknown): CutoverError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return new CutoverError({
    code: "artifacts-unreachable",
    message: `Cannot reach ${path} at ${name}`,
    disposition: "retry",
    evidence: inner instanceof Error ? inner.message : String(inner),
    impact: "What was read before stays in use",
    cause,
  });
}
