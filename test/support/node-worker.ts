// One worker of the Node skeleton without its primary, to be stopped and told to drain at moments that no primary would choose.
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { cp, readFile, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withTemporaryDirectory } from "./temporary-directory.ts";

const skeleton = fileURLToPath(new URL("../../deploy/skeletons/node-cluster/", import.meta.url));

/** Once the drain has begun, until the file `go` is there, and longer than a silent connection is let be. */
export const standsStill = `
import { existsSync, writeFileSync } from "node:fs";
const own = new URL(".", import.meta.url);
process.on("message", () => process.nextTick(() => {
  writeFileSync(new URL("stands", own), "");
  for (const end = Date.now() + 3_500; Date.now() < end || !existsSync(new URL("go", own)); );
}));
`;

/** One worker alone; its primary is the test. `before` is a module that it begins with. */
export function withNodeWorker(
  body: (running: { readonly worker: ChildProcess; readonly port: number; readonly http2Port: number; readonly tree: string }) => Promise<void>, // biome-ignore format: one line
  before = "",
): Promise<void> {
  return withTemporaryDirectory(async (tree) => {
    await layNodeTree(tree);
    await writeFile(join(tree, "before.mjs"), before);
    const listeners = await Promise.all([listening(), listening()]);
    const [port, http2Port] = listeners.map((listener) => (listener.address() as AddressInfo).port) as [number, number];
    const worker = fork(join(tree, "main.mjs"), {
      execArgv: ["--import", join(tree, "before.mjs")],
      stdio: ["ignore", "ignore", "inherit", ...listeners.map(descriptorOf), "ipc"],
      env: { PATH: process.env.PATH, HAND_OVER_ROLE: "worker" },
    });
    for (const listener of listeners) listener.close(); // in the turn that made the copies: the worker alone accepts
    const ended = new Promise((done) => worker.on("exit", done));
    try {
      await new Promise((done) => worker.once("message", done));
      await body({ worker, port, http2Port, tree });
    } finally {
      worker.kill("SIGKILL");
      await ended;
    }
  });
}

function listening(): Promise<Server> {
  return new Promise((done, failed) => {
    const server = createServer({ pauseOnConnect: true }).on("error", failed);
    server.listen({ host: "127.0.0.1", port: 0 }, () => done(server));
  });
}

/** As the skeleton's binder reads it. */
function descriptorOf(listener: Server): number {
  return (listener as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

/** The skeleton, and clients have longer than it gives them: one that does without the machine for seconds is no slow one. */
export async function layNodeTree(tree: string): Promise<void> {
  await cp(skeleton, tree, { recursive: true });
  await writeFile(join(tree, "VERSION"), "1.0.0\n");
  const app = join(tree, "app.mjs");
  let patient = await readFile(app, "utf8");
  for (const [own, longer] of [
    ["NOT_READY_MS = 2_000", "NOT_READY_MS = 5_000"],
    ["GO_AWAY_GRACE_MS = 1_000", "GO_AWAY_GRACE_MS = 5_000"],
  ] as const) {
    assert.ok(patient.includes(own), `the skeleton has another ${own}`);
    patient = patient.replace(own, longer);
  }
  await writeFile(app, patient);
}
