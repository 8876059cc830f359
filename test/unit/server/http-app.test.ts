// What `serve` answers over HTTP: a webhook is a hint that must be signed (T32), metrics name no host, health tells the truth.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { CutoverError } from "../../../src/errors.ts";
import { makeHttpApp } from "../../../src/server/http-app.ts";
import { makeMetrics } from "../../../src/server/metrics.ts";

const secret = "a webhook secret";
const signed = (body: string, key = secret) => `sha256=${createHmac("sha256", key).update(body).digest("hex")}`;

function makeApp(webhookSecret: string | undefined = secret) {
  const hints: string[] = [];
  let pass: { at: number; failed: boolean; code: string | undefined } | undefined;
  const metrics = makeMetrics();
  const app = makeHttpApp({ metrics, webhookSecret, onHint: (reason) => hints.push(reason), lastPass: () => pass });
  const post = (body: string, headers: Record<string, string>) =>
    app.request("/webhooks/github", { method: "POST", body, headers: { "x-github-event": "push", ...headers } });
  return {
    app,
    hints,
    metrics,
    post,
    passed: (value: typeof pass) => {
      pass = value;
    },
  };
}

test("a webhook with the right HMAC is one hint; forged, unsigned, re-signed or cut ones are none (T32)", async () => {
  const { post, hints } = makeApp();
  const body = JSON.stringify({ ref: "refs/heads/main" });
  assert.equal((await post(body, { "x-hub-signature-256": signed(body) })).status, 202);
  assert.deepEqual(hints, ["webhook: push"]);
  const forged = [
    signed(body, "another secret"),
    signed(`${body} `),
    signed(body).toUpperCase(),
    signed(body).slice(0, -2),
    "sha1=0000",
    "",
  ];
  for (const header of forged) assert.equal((await post(body, { "x-hub-signature-256": header })).status, 401, header);
  assert.equal((await post(body, {})).status, 401);
  assert.equal(hints.length, 1);
});

test("a webhook body over a mebibyte is refused, and without a secret there is no webhook (T32)", async () => {
  const { post, hints } = makeApp();
  const huge = "x".repeat(1024 * 1024 + 1);
  assert.equal(
    (await post(huge, { "x-hub-signature-256": signed(huge), "content-length": `${huge.length}` })).status,
    413,
  );
  const off = makeHttpApp({
    metrics: makeMetrics(),
    webhookSecret: undefined,
    onHint: (reason) => hints.push(reason),
    lastPass: () => undefined,
  });
  const answer = await off.request("/webhooks/github", {
    method: "POST",
    body: "{}",
    headers: { "x-hub-signature-256": signed("{}", "") },
  });
  assert.equal(answer.status, 404);
  assert.deepEqual(hints, []);
});

test("health is not ok while passes fail, and names the reason", async () => {
  const { app, passed } = makeApp();
  assert.equal((await app.request("/healthz")).status, 200);
  passed({ at: Date.UTC(2026, 0, 1), failed: true, code: "git-remote-unreachable" });
  const failing = await app.request("/healthz");
  assert.equal(failing.status, 503);
  assert.deepEqual(await failing.json(), {
    status: "failing",
    lastPass: "2026-01-01T00:00:00.000Z",
    code: "git-remote-unreachable",
  });
  passed({ at: Date.UTC(2026, 0, 2), failed: false, code: undefined });
  assert.equal((await app.request("/healthz")).status, 200);
});

test("metrics count tasks, runs, bytes and passes, and carry no host name", async () => {
  const { app, metrics } = makeApp();
  const place = { stream: "run/r1", at: 0 };
  const task = {
    task: "web1/shop/switch",
    action: "do" as const,
    state: "done" as const,
    durationMs: 1_500,
    exitCode: 0,
    reason: "",
    evidence: "",
  };
  metrics.observeEvent({ kind: "task", step: "switch.1", host: "web1", event: task, sequence: 1, ...place });
  metrics.observeEvent({
    kind: "delivered",
    step: "distribute",
    host: "web1",
    component: "shop",
    bytes: 4_096,
    ms: 1,
    sequence: 2,
    ...place,
  });
  metrics.observeEvent({ kind: "run-ended", outcome: "rolled-back", reason: "", sequence: 3, ...place });
  metrics.observePass({
    kind: "failed",
    error: new CutoverError({ code: "lease-held", message: "held" }),
    durationMs: 20,
  });
  const text = await (await app.request("/metrics")).text();
  assert.match(text, /cutover_tasks_total\{task="switch",state="done"\} 1/);
  assert.match(text, /cutover_sent_bytes_total 4096/);
  assert.match(text, /cutover_runs_total\{outcome="rolled-back"\} 1/);
  assert.match(text, /cutover_passes_total\{result="lease-held"\} 1/);
  assert.doesNotMatch(text, /web1/);
});
