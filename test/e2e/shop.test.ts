// The demo's own service is the yardstick for "no request lost", so it is measured alone first, without cutover around it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { LoadSummary } from "../../src/lab/demo/load-report.ts";
import { parseShopPage, type ShopPage } from "../../src/lab/demo/shop-page.ts";
import { type LoadProcess, spawnLoad } from "../../src/lab/demo/spawn-load.ts";
import { loadShare } from "../support/full-form.ts";
import { until } from "../support/until.ts";
import { isAlive, type Shop, withShop } from "../support/with-shop.ts";

/** Long, since a busy machine may be slow; what counts here is that every request is answered. */
const ANSWER_WITHIN_MS = 60_000;

test("ten hand-overs in a row lose no request: on fresh connections, on kept ones, and in the middle of long ones (P11)", () =>
  withShop(async (shop) => {
    await shop.point("1.0.0");
    assert.equal(await shop.coldStart(), 0);
    const short = await startLoad(shop, { ratePerSecond: 200 * loadShare, keepAliveShare: 0.5 });
    const long = await startLoad(shop, { path: "/work?ms=250", ratePerSecond: 20 * loadShare, keepAliveShare: 0.5 });
    const pids = new Set([await shop.pid()]);
    for (let turn = 1; turn <= 10; turn += 1) {
      const version = turn % 2 === 1 ? "2.0.0" : "1.0.0";
      await shop.point(version);
      const { newPid } = await shop.handOver();
      pids.add(newPid);
      const page = await fetchPage(shop);
      assert.deepEqual(
        [page.version, page.pid],
        [version, newPid],
        "only the new version answers once the old one is gone",
      );
    }
    assert.equal(pids.size, 11, "every hand-over made a new process");
    for (const summary of [await short.stop(), await long.stop()]) {
      assertNoneFailed(summary);
      assert.deepEqual(Object.keys(summary.hosts.shop?.versions ?? {}).sort(), ["1.0.0", "2.0.0"]);
    }
  }));

test("a connection that was silent during a hand-over gets its next answer, and is told to close", () =>
  withShop(async (shop) => {
    await shop.point("1.0.0");
    await shop.coldStart();
    const socket = connect({ host: shop.address, port: shop.port });
    let received = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      received += chunk;
    });
    const ask = (): boolean => socket.write(`GET / HTTP/1.1\r\nHost: ${shop.address}\r\n\r\n`);
    ask();
    await until("the first answer", ANSWER_WITHIN_MS, async () => /sum [0-9a-f]{8}\n$/.test(received));
    assert.match(received, /^Connection: keep-alive\r$/m);
    const { worker } = parseShopPage(received.slice(received.indexOf("\r\n\r\n") + 4)) as ShopPage;
    received = "";

    const oldPid = await shop.pid();
    await shop.point("2.0.0");
    await shop.signal("SIGUSR2");
    await until("the successor", ANSWER_WITHIN_MS, async () => (await shop.pid()) !== oldPid);
    process.kill(oldPid, "SIGTERM");
    const drains = `worker ${worker}: stopped accepting`;
    await until("the old worker to drain", ANSWER_WITHIN_MS, async () => (await shop.log()).includes(drains));
    ask();
    await once(socket, "close", { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    assert.match(received, /^HTTP\/1.1 200 OK\r\n/);
    assert.match(received, /^connection: close\r$/m);
    assert.match(received, /shop 1\.0\.0 .* sum [0-9a-f]{8}\n$/);
  }));

test("release 3 answers 500 to a tenth of the requests, and its /health never does", () =>
  withShop(async (shop) => {
    await shop.point("3.0.0");
    await shop.coldStart();
    const load = await startLoad(shop, { ratePerSecond: 500, maxRequests: 500 });
    const { hosts, sent } = await load.ended();
    // Each of the two workers counts for itself, so at most one failure of fifty has not come yet.
    const failedBy = hosts.shop?.failedBy ?? {};
    assert.equal(sent, 500);
    assert.ok(failedBy["non-2xx"] === 49 || failedBy["non-2xx"] === 50, JSON.stringify(failedBy));
    assert.deepEqual(Object.keys(failedBy), ["non-2xx"]);
    for (let count = 0; count < 30; count += 1) assert.equal((await fetchOnce(shop, "/health")).status, 200);
  }));

test("a successor that cannot start, or hangs, leaves the running version serving; a later one still takes over", () =>
  withShop(async (shop) => {
    await shop.point("1.0.0");
    await shop.coldStart();
    const first = await shop.pid();
    const load = await startLoad(shop, { ratePerSecond: 100 * loadShare });

    await shop.point("no-such-version");
    await shop.signal("SIGUSR2");
    await until("word of the failure", ANSWER_WITHIN_MS, async () => (await shop.log()).includes("cannot start"));

    await addVersion(shop, "fails", "echo broken; exit 1");
    await shop.point("fails");
    await shop.signal("SIGUSR2");
    await until("word of the exit", ANSWER_WITHIN_MS, async () =>
      (await shop.log()).includes("ended (1), still serving"),
    );

    await addVersion(shop, "hangs", 'echo "hanging $$"; exec sleep 60');
    await shop.point("hangs");
    await shop.signal("SIGUSR2");
    await until("the one that hangs", ANSWER_WITHIN_MS, async () => /hanging \d+/.test(await shop.log()));
    const hanging = Number(/hanging (\d+)/.exec(await shop.log())?.[1]);
    assert.equal(await shop.pid(), first);
    assert.equal((await fetchPage(shop)).pid, first);

    await shop.point("2.0.0");
    await shop.handOver();
    assert.equal((await fetchPage(shop)).version, "2.0.0");
    await until("the successor that was given up to end", ANSWER_WITHIN_MS, async () => !(await isAlive(hanging)));
    assertNoneFailed(await load.stop());
  }));

test("workers that die are replaced, even all at once, and can still hand over", () =>
  withShop(async (shop) => {
    await shop.point("1.0.0");
    await shop.coldStart();
    const before = await workersOf(shop);
    assert.equal(before.length, 2);
    for (const worker of before) process.kill(worker, "SIGKILL");
    const replaced = async (): Promise<boolean> => {
      const now = await workersOf(shop);
      return now.length === 2 && now.every((worker) => !before.includes(worker));
    };
    await until("two new workers", ANSWER_WITHIN_MS, replaced);
    await shop.point("2.0.0");
    await shop.handOver();
    assert.equal((await fetchPage(shop)).version, "2.0.0");
  }));

test("a cold start on an address that is taken says so and exits 1", () =>
  withShop(async (shop) => {
    await shop.point("1.0.0");
    assert.equal(await shop.coldStart(), 0);
    assert.equal(await shop.coldStart(), 1);
    assert.match(await shop.log(), /cannot listen on .*EADDRINUSE/);
  }));

/** Resolves once answers come back, so that whatever happens next happens under load. */
async function startLoad(
  shop: Shop,
  options: Pick<Parameters<typeof spawnLoad>[0], "ratePerSecond" | "keepAliveShare" | "path" | "maxRequests">,
): Promise<LoadProcess> {
  const answered = Promise.withResolvers<void>();
  const load = spawnLoad({
    targets: [{ name: "shop", address: shop.address, port: shop.port }],
    timeoutMs: ANSWER_WITHIN_MS,
    maxSeconds: 900,
    onSecond: ({ total }) => {
      if (total.ok > 0) answered.resolve();
    },
    ...options,
  });
  await answered.promise;
  return load;
}

function assertNoneFailed(summary: LoadSummary): void {
  assert.equal(summary.failed, 0, JSON.stringify(summary.failures, undefined, 2));
  assert.equal(summary.ok, summary.sent);
  assert.ok(summary.sent > 0);
}

async function fetchPage(shop: Shop): Promise<ShopPage> {
  const { status, body } = await fetchOnce(shop, "/");
  const page = parseShopPage(body);
  assert.ok(page !== undefined, `a whole page, got status ${status}`);
  return page;
}

/** On a connection of its own, since one that is kept idle makes the next drain wait for it. */
async function fetchOnce(
  shop: Shop,
  path: string,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const request = get({ host: shop.address, port: shop.port, path, agent: false, timeout: ANSWER_WITHIN_MS });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

async function addVersion(shop: Shop, version: string, script: string): Promise<void> {
  const folder = join(shop.root, "versions", version, "bin");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "start"), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, "start"), 0o755);
}

/** Pids of the workers that are listening, from the primary's children. */
async function workersOf(shop: Shop): Promise<number[]> {
  const primary = await shop.pid();
  const children = await readFile(`/proc/${primary}/task/${primary}/children`, "utf8");
  return children.split(" ").filter(Boolean).map(Number);
}
