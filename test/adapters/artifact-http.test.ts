import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { artifactHttp } from "../../src/adapters/artifact-http.ts";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import { artifactRepository } from "../../src/package/artifact-repository.ts";
import { manifestPath, payloadPath } from "../../src/package/layout.ts";
import { parseReleaseMetadata } from "../../src/package/release-metadata.ts";
import { withPublishing } from "../support/published-release.ts";

/** A real server on loopback; every connection is closed when `work` is done. */
async function withServer<T>(listener: RequestListener, work: (url: string, folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "cutover-http-"));
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/repo`, folder);
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    await rm(folder, { recursive: true, force: true });
  }
}

/** GET and PUT of files below a directory, as any static server with WebDAV's PUT does it. */
function serving(directory: string, seen: string[] = []): RequestListener {
  return async (request: IncomingMessage, response: ServerResponse) => {
    const path = join(directory, decodeURIComponent(request.url ?? "").replace("/repo/", ""));
    seen.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
    if (request.method === "PUT") {
      const body = Buffer.concat(await Array.from(await request.toArray()));
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, body);
      response.writeHead(201).end();
      return;
    }
    const content = await readFile(path).catch(() => undefined);
    response.writeHead(content === undefined ? 404 : 200).end(content);
  };
}

/** Sends `chunk` again and again, as fast as the reader takes it or every `everyMs`. */
function endless(
  chunk: Buffer,
  { everyMs, onClose }: { everyMs?: number; onClose?: (sent: number) => void },
): RequestListener {
  return (_request, response) => {
    let sent = 0;
    const push = (): void => {
      while (!response.destroyed && response.write(chunk)) {
        sent += chunk.length;
        if (everyMs !== undefined) return;
      }
    };
    const timer = everyMs === undefined ? undefined : setInterval(push, everyMs);
    response.on("drain", push).on("close", () => {
      clearInterval(timer);
      onClose?.(sent);
    });
    push();
  };
}

test("what was published to a directory is the same over http, payload in another codec included", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({
      version: "1.0.0+a",
      bundle: { check: "#!/bin/sh\n" },
      component: { tasks: [{ name: "check", do: "check" }] },
    });
    await withServer(serving(publishing.storeDirectory), async (url, folder) => {
      const repository = artifactRepository({
        store: artifactHttp({ url }),
        cacheDirectory: join(folder, "cache"),
        tools: patchTools(),
      });
      const release = await repository.release("web", "1.0.0+a");
      assert.deepEqual(release, await publishing.repository.release("web", "1.0.0+a"));
      assert.deepEqual(await repository.versions("web"), ["1.0.0+a"]);
      const { tree } = parseReleaseMetadata(release.metadata);
      for (const codec of ["zstd", "gzip", "xz", "none"] as const) {
        const [over, here] = await Promise.all([
          repository.payload(tree.digest, codec),
          publishing.repository.payload(tree.digest, codec),
        ]);
        assert.deepEqual({ ...over, path: "" }, { ...here, path: "" });
      }
    });
  }));

test("publishing over http puts the same bytes as into a directory", () =>
  withPublishing(async (publishing) => {
    const here = join(publishing.folder, "put");
    await withServer(serving(here), async (url) => {
      const store = artifactHttp({ url });
      for (const path of ["components/web/1.0/release", "a/b+c"]) await store.write(path, "text ü\n");
      assert.equal(await readFile(join(here, "components/web/1.0/release"), "utf8"), "text ü\n");
      assert.equal(await store.read("a/b+c", 100), "text ü\n");
      const big = join(publishing.folder, "big");
      await writeFile(big, Buffer.alloc(3_000_000, "x"));
      await store.upload("trees/x/full.tar.zst", big);
      assert.equal((await readFile(join(here, "trees/x/full.tar.zst"))).length, 3_000_000);
    });
  }));

test("an endless body stops at the cap and leaves nothing on disk (T5)", async () => {
  let sent = 0;
  const listener = endless(Buffer.alloc(65_536), {
    onClose: (bytes) => {
      sent = bytes;
    },
  });
  await withServer(listener, async (url, folder) => {
    const store = artifactHttp({ url });
    await assert.rejects(store.read("endless", 1_000_000), { code: "artifact-too-large" });
    await assert.rejects(store.download({ path: "endless", target: join(folder, "out/file"), maxBytes: 1_000_000 }), {
      code: "artifact-too-large",
    });
    assert.deepEqual(await readdir(join(folder, "out")), []);
  });
  assert.ok(sent < 32_000_000, `the server could send ${sent} bytes`);
});

test("a body that trickles is given up, and the server is let go (T6)", async () => {
  const closed = Promise.withResolvers<void>();
  const listener = endless(Buffer.from("x"), { everyMs: 20, onClose: () => closed.resolve() });
  await withServer(listener, async (url) => {
    const store = artifactHttp({ url, windowMs: 200, slowestBytesPerSecond: 1000 });
    await assert.rejects(store.read("trickle", 1_000_000), {
      code: "artifacts-unreachable",
      disposition: "retry",
      evidence: /bytes a second/,
    });
    await closed.promise;
  });
});

test("a server that never answers is given up", () =>
  withServer(
    () => {},
    async (url) => {
      await assert.rejects(artifactHttp({ url, answerMs: 100 }).read("x", 10), {
        code: "artifacts-unreachable",
        evidence: /no answer/,
      });
    },
  ));

test("a refused connection, a server error and a redirect are told apart from nothing there (F23)", () =>
  withServer(
    (request, response) => {
      const answer = request.url?.includes("moved") ? 302 : request.url?.includes("broken") ? 500 : 404;
      response.writeHead(answer, { location: "http://169.254.169.254/latest" }).end();
    },
    async (url, folder) => {
      const store = artifactHttp({ url });
      assert.equal(await store.read("nothing", 10), undefined);
      assert.equal(await store.download({ path: "nothing", target: join(folder, "x"), maxBytes: 10 }), false);
      await assert.rejects(store.read("broken", 10), { code: "artifacts-unreachable", evidence: /500/ });
      await assert.rejects(store.read("moved", 10), { code: "artifacts-unreachable" });
      await assert.rejects(artifactHttp({ url: "http://127.0.0.1:1/" }).read("x", 10), {
        code: "artifacts-unreachable",
      });
    },
  ));

test("user and password go into a header and never into a message (P15)", () =>
  withServer(
    (request, response) => {
      const expected = `Basic ${Buffer.from("ci:s3cret").toString("base64")}`;
      response.writeHead(request.headers.authorization === expected ? 503 : 401).end();
    },
    async (url) => {
      const store = artifactHttp({ url: url.replace("//", "//ci:s3cret@") });
      await assert.rejects(store.read("x", 10), (error: Error & { evidence?: string }) => {
        assert.match(error.evidence ?? "", /503/);
        return !`${error.message}${error.evidence}${store.name}${String(error.cause)}`.includes("s3cret");
      });
    },
  ));

test("only http and https are spoken (T19)", () => {
  for (const url of ["file:///etc", "ext::sh", "ftp://x/", "not a url"]) {
    assert.throws(() => artifactHttp({ url }), { code: "usage" });
  }
});

test("a manifest that does not have the digest it is named after is refused (T4)", () =>
  withPublishing(async (publishing) => {
    const { tree } = await publishing.publish({ version: "1.0" });
    const other = await publishing.publish({ version: "2.0" });
    const wrong = await readFile(join(publishing.storeDirectory, manifestPath(other.tree)));
    await writeFile(join(publishing.storeDirectory, manifestPath(tree)), wrong);
    await assert.rejects(publishing.repository.release("web", "1.0"), { code: "artifact-corrupt", exitCode: 5 });
  }));

test("a cached payload that was damaged is made anew, and a failed download is tried again (F21)", () =>
  withPublishing(async (publishing) => {
    const { tree } = await publishing.publish({ version: "1.0" });
    const cacheDirectory = join(publishing.folder, "other-cache");
    const fresh = () => artifactRepository({ store: publishing.store, cacheDirectory, tools: patchTools() });
    const stored = join(publishing.storeDirectory, payloadPath(tree));
    const good = await readFile(stored);

    const repository = fresh();
    for (const missing of [1, 4, 14, 30, good.length - 20, good.length]) {
      await writeFile(stored, good.subarray(0, good.length - missing));
      await assert.rejects(repository.payload(tree, "zstd"), { code: "payload-damaged" }, `cut by ${missing} bytes`);
    }
    await writeFile(stored, good);
    const file = await repository.payload(tree, "zstd");

    await writeFile(file.path, "damaged");
    assert.deepEqual(await fresh().payload(tree, "zstd"), file);
    assert.deepEqual(await readFile(file.path), good);

    await writeFile(file.path, "damaged while serve runs");
    assert.deepEqual(await repository.payload(tree, "zstd"), file);
    assert.deepEqual(await readFile(file.path), good);
    await rm(file.path);
    const [one, other] = await Promise.all([repository.payload(tree, "zstd"), repository.payload(tree, "zstd")]);
    assert.equal(one, other, "asked twice at once, it is made once");
    assert.deepEqual(await readFile(file.path), good);
  }));
