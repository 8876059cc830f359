// `cutover serve` as a process: the loop, and the small HTTP server that gives it hints and shows how it does.
import type { AddressInfo } from "node:net";
import { serve as listenHttp } from "@hono/node-server";
import { type ServeInput, serve } from "../app/serve.ts";
import { CutoverError } from "../errors.ts";
import { makeHttpApp } from "./http-app.ts";
import { makeMetrics } from "./metrics.ts";

export interface ServeControllerInput extends ServeInput {
  readonly listen: { readonly address: string; readonly port: number };
  /** Undefined switches the webhook off. */
  readonly webhookSecret: string | undefined;
}

/** Runs until the signal; rejects as `serve` does, or with `listen-failed` when the address cannot be had. */
export async function serveController(input: ServeControllerInput): Promise<void> {
  const metrics = makeMetrics();
  let lastPass: { at: number; failed: boolean; code: string | undefined } | undefined;
  // A trigger like the others: it starts once the lease is ours, so a second `serve` is told who holds it, not that a port is taken.
  const http: ServeInput["triggers"][number] = async (onHint) => {
    const app = makeHttpApp({ metrics, webhookSecret: input.webhookSecret, onHint, lastPass: () => lastPass });
    const server = await startHttp(app.fetch, input.listen);
    input.log.info("listening", { address: server.address, port: server.port });
    return () => server.close();
  };
  await serve({
    ...input,
    triggers: [...input.triggers, http],
    watcher: {
      ...input.watcher,
      onEvent(event) {
        metrics.observeEvent(event);
        input.watcher.onEvent(event);
      },
    },
    onPass(report) {
      metrics.observePass(report);
      const code = report.kind === "failed" ? report.error.code : undefined;
      lastPass = { at: input.controller.clock.now(), failed: report.kind === "failed", code };
      input.onPass(report);
    },
  });
}

interface HttpServer {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

function startHttp(
  fetch: (request: Request) => Response | Promise<Response>,
  { address, port }: ServeControllerInput["listen"],
): Promise<HttpServer> {
  return new Promise((resolve, reject) => {
    const server = listenHttp({ fetch, hostname: address, port }, (info: AddressInfo) => {
      const close = () =>
        new Promise<void>((done) => {
          server.close(() => done());
          // Idle connections of a scraper would keep the process up.
          if ("closeAllConnections" in server) server.closeAllConnections();
        });
      resolve({ address: info.address, port: info.port, close });
    });
    server.once("error", (cause: NodeJS.ErrnoException) => reject(listenFailed(`${address}:${port}`, cause)));
  });
}

function listenFailed(where: string, cause: NodeJS.ErrnoException): CutoverError {
  return new CutoverError({
    code: "listen-failed",
    message: `Cannot listen on ${where}`,
    evidence: cause.message,
    impact: "The controller did not start",
    remedy: "choose another address under `listen:` in cutover.yaml, or stop what listens there: ss -ltnp",
    cause,
  });
}
