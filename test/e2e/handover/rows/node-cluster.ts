// The Node skeleton under strategy exec, with every kind of traffic that it speaks.
import { copyFile, cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { documentOf } from "../document-of.ts";
import { layNodeRuntime } from "../node-runtime.ts";
import type { Row } from "../row.ts";

const skeleton = fileURLToPath(new URL("../../../../deploy/skeletons/node-cluster/", import.meta.url));
const body = "(?<text>node-cluster (?<version>\\S+) worker \\d+) sum (?<sum>[0-9a-f]{8})\\n";

export const rows: readonly Row[] = [
  {
    name: "node-cluster-exec",
    of: "skeletons/node-cluster",
    strategy: "exec",
    manager: "process",
    lab: "loopback",
    grade: "request-safe",
    contract: ({ ports: [port, http2] }) =>
      documentOf(join(skeleton, "component.yaml"), {
        env: { PORT: String(port), HTTP2_PORT: String(http2) },
        health: [{ kind: "http", url: `http://self:${port}/ready`, samples: 10, intervalMs: 10 }],
      }),
    traffic: ({ ports: [port, http2] }) => [
      { kind: "new", port, body },
      { kind: "keep-alive", port, body },
      { kind: "long", port, path: "/?ms=400", workMs: 400, body },
      { kind: "http2", port: http2, body },
      { kind: "websocket", port, path: "/ws", echo: true },
      { kind: "sse", port, path: "/events", everyMs: 200 },
    ],
    async build({ version, directory }) {
      await cp(join(skeleton, "bin"), join(directory, "bin"), { recursive: true });
      for (const name of ["app.mjs", "hand-over.mjs", "main.mjs", "websocket.mjs"])
        await copyFile(join(skeleton, name), join(directory, name));
      await writeFile(join(directory, "VERSION"), `${version}\n`);
    },
    setUp: layNodeRuntime,
  },
];
