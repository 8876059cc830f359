// deploy/skeletons/go: exec under host.sh's own manager; reuseport as two instances of a systemd unit, where host.sh may set tcp_migrate_req;
// socket as a unit whose listeners systemd holds.
// HTTP/2 has a row of its own with the least promise: package http refuses requests that cross its GOAWAY (REFUSED_STREAM), and the meter,
// unlike most clients, does not send them again.
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
  build: async ({ version, directory }: Build) => {
    await copyFile(await buildGo(), join(directory, "server"));
    await writeFile(join(directory, "version"), `${version}\n`);
  },
} as const;
const http1 = ({ ports: [port, tlsPort] }: Place): readonly Traffic[] => [
  { kind: "new", port, body },
  { kind: "new", port: tlsPort, tls: true, body },
  { kind: "keep-alive", port, body },
  { kind: "long", port, path: "/work?ms=400", workMs: 400, body },
];
const http2 = ({ ports: [, tlsPort] }: Place): readonly Traffic[] => [
  { kind: "http2", port: tlsPort, tls: true, body },
];
const onLoopback = ({ ports }: Place) =>
  documentOf(`${folder}component.yaml`, {
    env: { PORT: String(ports[0]), TLS_PORT: String(ports[1]) },
    health: health(ports),
  });
const health = ([port]: Place["ports"]) => [
  { kind: "http", url: `http://self:${port}/ready`, samples: 20, maxFailures: 0, intervalMs: 5 },
];

export const rows: readonly Row[] = [
  {
    ...shared,
    ...{ name: "go-exec", strategy: "exec", manager: "process", lab: "loopback", grade: "request-safe" },
    traffic: http1,
    contract: onLoopback,
  },
  {
    ...shared,
    ...{ name: "go-exec-http2", strategy: "exec", manager: "process", lab: "loopback", grade: "listener-safe" },
    traffic: http2,
    declares: {
      grade: "request-safe",
      because:
        "a request that is refused with REFUSED_STREAM was not begun, and clients send it again; the meter does not",
    },
    contract: onLoopback,
  },
  {
    ...shared,
    ...{ name: "go-reuseport", strategy: "reuseport", manager: "systemd", lab: "systemd", grade: "request-safe" },
    traffic: http1,
    contract: ({ ports }) =>
      documentOf(`${folder}component.yaml`, {
        ...{ manager: "systemd", units: ["go@.service"], env: {} },
        switch: { strategy: "reuseport", readyWithinSeconds: 20, stopWithinSeconds: 20 },
        health: health(ports),
      }),
    units: await unitsOn("units"),
  },
  {
    ...shared,
    ...{ name: "go-socket", strategy: "socket", manager: "systemd", lab: "systemd", grade: "request-safe" },
    traffic: http1,
    contract: ({ ports }) =>
      documentOf(`${folder}component.yaml`, {
        ...{ manager: "systemd", units: ["go.service"], env: {} },
        switch: {
          strategy: "socket",
          sockets: ["go.socket", "go-tls.socket"],
          readyWithinSeconds: 20,
          stopWithinSeconds: 20,
        },
        health: health(ports),
      }),
    units: await unitsOn("units-socket"),
  },
];

/** The unit files of a folder of the skeleton, with the ports of a row. */
async function unitsOn(name: string): Promise<Record<string, string>> {
  const files = Object.entries(await unitsIn(join(folder, name)));
  return Object.fromEntries(files.map(([file, text]) => [file, text.replace("8443", "8081")]));
}
