// Webhooks of every forge, over real HTTP against the server that `serve` runs: a proof is a hint, anything else is nothing (T32).
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { serve } from "@hono/node-server";
import { makeHttpApp } from "../../../src/server/http-app.ts";
import { makeMetrics } from "../../../src/server/metrics.ts";

const secret = "a webhook secret";
const hmac = (body: string, key = secret) => createHmac("sha256", key).update(body).digest("hex");

interface Server {
  readonly hints: string[];
  post(path: string, body: string | Iterable<string>, headers: Record<string, string>): Promise<number>;
}

/** One server for `work`; every connection is closed afterwards. */
async function withServer(work: (server: Server) => Promise<void>): Promise<void> {
  const hints: string[] = [];
  const onHint = (reason: string) => hints.push(reason);
  const app = makeHttpApp({ metrics: makeMetrics(), webhookSecret: secret, onHint, lastPass: () => undefined });
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const post: Server["post"] = (path, body, headers) =>
    new Promise((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port, path, method: "POST", headers, agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      sent.once("error", reject);
      for (const chunk of typeof body === "string" ? [body] : body) sent.write(chunk);
      sent.end();
    });
  try {
    await work({ hints, post });
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    if ("closeAllConnections" in server) server.closeAllConnections();
    await closed;
  }
}

/** Path, event and proof of a forge; `prove` signs with a key of choice. */
const forges = [
  {
    path: "/webhooks/github",
    event: { "x-github-event": "push" },
    prove: (body: string, key?: string) => ({ "x-hub-signature-256": `sha256=${hmac(body, key)}` }),
  },
  {
    path: "/webhooks/gitlab",
    event: { "x-gitlab-event": "Push Hook" },
    prove: (_: string, key = secret) => ({ "x-gitlab-token": key }),
  },
  {
    path: "/webhooks/gitea",
    event: { "x-gitea-event": "push" },
    prove: (body: string, key?: string) => ({ "x-gitea-signature": hmac(body, key) }),
  },
  {
    path: "/webhooks/forgejo",
    event: { "x-forgejo-event": "push" },
    prove: (body: string, key?: string) => ({ "x-forgejo-signature": hmac(body, key) }),
  },
];
const body = JSON.stringify({ ref: "refs/heads/main", repository: { url: "http://elsewhere.example/" } });

for (const { path, event, prove } of forges) {
  test(`${path}: what proves that it knows the secret is one hint, and only that it may be time (T32)`, () =>
    withServer(async ({ post, hints }) => {
      assert.equal(await post(path, body, { ...event, ...prove(body) }), 202);
      assert.deepEqual(hints, ["webhook: push"]);
      assert.equal(await post(path, body, prove(body)), 202);
      assert.deepEqual(hints, ["webhook: push", "webhook: event"]);
    }));

  test(`${path}: forged, cut, empty and missing proofs are refused, and so are those of another forge (T32)`, () =>
    withServer(async ({ post, hints }) => {
      const [[name, value] = ["", ""]] = Object.entries(prove(body));
      const wrong = [value.slice(0, -1), `${value}0`, value.toUpperCase(), "", " ", "0".repeat(64), "x".repeat(5_000)];
      for (const each of wrong)
        assert.equal(await post(path, body, { ...event, [name]: each }), 401, each.slice(0, 80));
      assert.equal(await post(path, body, event), 401);
      assert.equal(await post(path, body, { ...event, ...prove(body, "another secret") }), 401);
      for (const other of forges)
        if (other.path !== path)
          assert.equal(await post(path, body, { ...event, ...other.prove(body) }), 401, other.path);
      assert.deepEqual(hints, []);
    }));

  test(`${path}: a body past a mebibyte is refused also when its length is not announced; without a secret there is no hook (T32)`, async () => {
    await withServer(async ({ post, hints }) => {
      const chunk = "x".repeat(64 * 1024);
      const chunks = Array.from({ length: 17 }, () => chunk);
      const headers = { ...event, ...prove(chunks.join("")) };
      assert.equal(await post(path, chunks, headers), 413);
      assert.equal(await post(path, chunks.join(""), { ...headers, "content-length": String(17 * chunk.length) }), 413);
      assert.deepEqual(hints, []);
    });
    await withoutSecret(path, { ...event, ...prove(body, "") });
  });
}

test("a body that was changed after it was signed is refused (T32)", () =>
  withServer(async ({ post, hints }) => {
    for (const { path, event, prove } of forges.filter((forge) => forge.path !== "/webhooks/gitlab"))
      assert.equal(await post(path, `${body} `, { ...event, ...prove(body) }), 401, path);
    assert.deepEqual(hints, []);
  }));

test("a thousand forged hooks leave the server answering, without one hint (T32)", () =>
  withServer(async ({ post, hints }) => {
    for (let round = 0; round < 40; round++) {
      const answers = Array.from({ length: 25 }, (_, index) => {
        const forge = forges[index % forges.length];
        return post(forge?.path ?? "/", body, { ...forge?.event, ...forge?.prove(body, `guess ${round} ${index}`) });
      });
      assert.ok((await Promise.all(answers)).every((status) => status === 401));
    }
    assert.deepEqual(hints, []);
    assert.equal(await post("/webhooks/gitlab", body, { "x-gitlab-token": secret }), 202);
    assert.deepEqual(hints, ["webhook: event"]);
  }));

/** The same app without a configured secret. */
async function withoutSecret(path: string, headers: Record<string, string>): Promise<void> {
  const hints: string[] = [];
  const off = { metrics: makeMetrics(), webhookSecret: undefined, onHint: (reason: string) => hints.push(reason) };
  const app = makeHttpApp({ ...off, lastPass: () => undefined });
  assert.equal((await app.request(path, { method: "POST", body, headers })).status, 404);
  assert.deepEqual(hints, []);
}
