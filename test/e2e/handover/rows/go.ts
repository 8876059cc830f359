// deploy/skeletons/go: exec under host.sh's own manager; reuseport as two instances of a systemd unit, where host.sh may set tcp_migrate_req.
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Traffic } from "../../../../src/lab/meter/traffic.ts";
import { buildGo } from "../../../support/build-skeleton.ts";
import { documentOf, unitsIn } from "../document-of.ts";
import type { Build, Place, Row } from "../row.ts";

const folder = fileURLToPath(new URL("../../../../deploy/skeletons/go/", import.meta.url));
const body = "(?<text>go (?<version>\\S+) pid \\d+) sum (?<sum>[0-9a-f]{8})\\n";
const shared = {
  of: "skeletons/go",
  grade: "request-safe",
  traffic: ({ ports: [port, tlsPort] }: Place): readonly Traffic[] => [
    { kind: "new", port, body },
    { kind: "keep-alive", port, body },
    { kind: "long", port, path: "/work?ms=400", workMs: 400, body },
    { kind: "http2", port: tlsPort, tls: true, body },
  ],
  build: async ({ version, directory }: Build) => {
    await copyFile(await buildGo(), join(directory, "server"));
    await writeFile(join(directory, "version"), `${version}\n`);
  },
} as const;
const health = ([port]: Place["ports"]) => [
  { kind: "http", url: `http://self:${port}/ready`, samples: 20, maxFailures: 0, intervalMs: 5 },
];

export const rows: readonly Row[] = [
  {
    ...shared,
    name: "go-exec",
    strategy: "exec",
    manager: "process",
    lab: "loopback",
    contract: ({ ports }) =>
      documentOf(`${folder}component.yaml`, {
        env: { PORT: String(ports[0]), TLS_PORT: String(ports[1]) },
        health: health(ports),
      }),
  },
  {
    ...shared,
    name: "go-reuseport",
    strategy: "reuseport",
    manager: "systemd",
    lab: "systemd",
    contract: ({ ports }) =>
      documentOf(`${folder}component.yaml`, {
        ...{ manager: "systemd", units: ["go@.service"], env: {} },
        switch: { strategy: "reuseport", readyWithinSeconds: 20, stopWithinSeconds: 20 },
        health: health(ports),
      }),
    units: Object.fromEntries(
      Object.entries(await unitsIn(`${folder}units`)).map(([name, text]) => [name, text.replace("8443", "8081")]),
    ),
  },
];
