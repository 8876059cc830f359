// What `serve` answers over HTTP: webhook hints, metrics, health. Nothing here decides anything.
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Metrics } from "./metrics.ts";
import { hookKinds } from "./verify-webhook.ts";

export interface HttpAppInput {
  readonly metrics: Metrics;
  /** Undefined switches the webhook off. */
  readonly webhookSecret: string | undefined;
  readonly onHint: (reason: string) => void;
  /** Milliseconds since the epoch of the last finished pass, undefined before the first; and whether it failed. */
  readonly lastPass: () =>
    | { readonly at: number; readonly failed: boolean; readonly code: string | undefined }
    | undefined;
}

const maxWebhookBytes = 1024 * 1024;

export function makeHttpApp({ metrics, webhookSecret, onHint, lastPass }: HttpAppInput): Hono {
  const app = new Hono();
  app.get("/healthz", (context) => {
    const pass = lastPass();
    const body = {
      status: pass?.failed ? "failing" : "ok",
      lastPass: pass ? new Date(pass.at).toISOString() : null,
      code: pass?.code ?? null,
    };
    return context.json(body, pass?.failed ? 503 : 200);
  });
  app.get("/metrics", async (context) =>
    context.text(await metrics.text(), 200, { "Content-Type": metrics.contentType }),
  );
  for (const [forge, kind] of Object.entries(hookKinds)) {
    app.post(`/webhooks/${forge}`, bodyLimit({ maxSize: maxWebhookBytes }), async (context) => {
      if (webhookSecret === undefined) return context.json({ error: "no webhook secret is configured" }, 404);
      const body = new Uint8Array(await context.req.arrayBuffer());
      const header = (name: string) => context.req.header(name);
      if (!kind.isSigned({ secret: webhookSecret, body, header }))
        return context.json({ error: "the signature does not match" }, 401);
      onHint(`webhook: ${header(kind.eventHeader) === kind.push ? "push" : "event"}`);
      return context.json({ status: "accepted" }, 202);
    });
  }
  return app;
}
