// Cold start. Node cannot listen without also accepting, and a connection accepted by a process that only supervises would
// be lost. So a short-lived process binds, and closes its own copy in the same turn of the event loop that listen()
// returned in: it never reaches accept(), and connections that arrive meanwhile wait in the kernel's queue.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { childEnvironment, log, mainFile } from "./listener.mjs";

/** Exits 0 once the primary is ready, 1 when it did not come up; whoever started us can wait for that. */
export function bindAndStart() {
  const host = process.env.CUTOVER_ADDRESS ?? "127.0.0.1";
  const port = Number(process.env.PORT ?? 8080);
  const server = createServer();
  server.on("error", (error) => {
    log("binder", `cannot listen on ${host}:${port}: ${error.message}`);
    process.exit(1);
  });
  server.listen({ host, port, backlog: 511 }, () => {
    const primary = startPrimary(server._handle.fd);
    server.close();
    primary.on("message", (message) => message === "ready" && process.exit(0));
    primary.on("error", (error) => log("binder", `cannot start the primary: ${error.message}`));
    primary.on("close", () => process.exit(1));
    process.on("SIGTERM", () => primary.kill("SIGTERM"));
  });
}

function startPrimary(descriptor) {
  return spawn(process.execPath, [mainFile], {
    stdio: ["ignore", "inherit", "inherit", descriptor, "ipc"],
    env: childEnvironment({ LISTEN_FDS: "1", LISTEN_FD: "3", CUTOVER_VERSION_DIR: process.env.CUTOVER_VERSION_DIR }),
  });
}
