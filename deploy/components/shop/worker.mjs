// A worker: serves until it is told to drain. Draining closes only this process's copy of the listener; connections still in
// the kernel's queue belong to the shared socket and are accepted by whoever else holds it.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "node:net";
import { log, release, WORKER_LISTENER } from "./listener.mjs";

const DRAIN_WITHIN_MS = 10_000;
/** A client may be sending on a silent connection right now; closing it that instant would reset its request. */
const IDLE_GRACE_MS = 3_000;
const LONGEST_WORK_MS = 30_000;
const CLIENT_KINDS = 64;

/** Tells the primary "serving" once it accepts; drains when told to, or when the primary is gone. */
export function runWorker() {
  const identity = `shop ${release.version} node ${process.versions.node} pid ${process.env.SHOP_PRIMARY} worker ${process.pid}`;
  const page = `${identity} sum ${createHash("sha256").update(identity).digest("hex").slice(0, 8)}\n`;
  const fails = failurePattern(release.failOneIn);
  let draining = false;

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    const url = URL.canParse(request.url, "http://shop") ? new URL(request.url, "http://shop") : undefined;
    if (url?.pathname === "/health") return reply(response, 200, `ok ${release.version}\n`);
    if (url?.pathname !== "/" && url?.pathname !== "/work") return reply(response, 404, "no such page\n");
    if (fails(request.headers["user-agent"] ?? ""))
      return reply(response, 500, `shop ${release.version} failed on purpose\n`);
    if (url.pathname === "/") return reply(response, 200, page);
    const ms = Math.min(Math.max(Number(url.searchParams.get("ms")) || 0, 0), LONGEST_WORK_MS);
    setTimeout(reply, ms, response, 200, page);
  });

  /** Looks at `draining` when the answer is sent, not when the question came: a long request learns of it too. */
  function reply(response, status, body) {
    response.writeHead(status, {
      "content-type": "text/plain",
      "content-length": Buffer.byteLength(body),
      "shop-version": release.version,
      ...(draining ? { connection: "close" } : {}),
    });
    response.end(body);
  }

  function drain() {
    if (draining) return;
    draining = true;
    // http.Server's own close() also destroys idle connections at once; net.Server's only stops accepting.
    Server.prototype.close.call(server, () => process.exit(0));
    log("worker", "stopped accepting");
    // After what has come meanwhile was read: had this process stood still so long, a request would wait here.
    setTimeout(() => setImmediate(() => server.closeIdleConnections()), IDLE_GRACE_MS);
    setTimeout(() => {
      log("worker", `requests still open after ${DRAIN_WITHIN_MS} ms are cut`);
      server.closeAllConnections();
    }, DRAIN_WITHIN_MS);
  }

  process.on("message", (message) => message === "drain" && drain());
  process.on("disconnect", drain);
  // Signals to the whole process group are the primary's to answer.
  process.on("SIGTERM", () => {});
  process.on("SIGINT", () => {});
  server.listen({ fd: WORKER_LISTENER }, () => process.send("serving", () => {}));
}

/**
 * Every `oneIn`-th request, 0 for none, counted for each kind of client (User-Agent): were they counted together, two clients
 * that take turns could hit the same places of the pattern for ever, and a check would see no failure, or only failures.
 */
function failurePattern(oneIn) {
  const counts = new Map();
  return (client) => {
    if (oneIn === 0) return false;
    const kind = counts.has(client) || counts.size < CLIENT_KINDS ? client : "";
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count % oneIn === 0;
  };
}
