// deploy/skeletons/c-takeover: live connections go from process to process, under host.sh's own manager and under systemd.
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Traffic } from "../../../../src/lab/meter/traffic.ts";
import { buildTakeover } from "../../../support/build-skeleton.ts";
import { documentOf, unitsIn } from "../document-of.ts";
import type { Build, Place, Row } from "../row.ts";

const folder = fileURLToPath(new URL("../../../../deploy/skeletons/c-takeover/", import.meta.url));
const body = "c-takeover (?<version>\\S+) pid \\d+\\n";
const shared = {
  of: "skeletons/c-takeover",
  strategy: "takeover",
  grade: "stream-safe",
  traffic: ({ ports: [port, lines] }: Place): readonly Traffic[] => [
    { kind: "new", port, body },
    { kind: "keep-alive", port, body },
    { kind: "long", port, path: "/work?ms=400", workMs: 400, body },
    { kind: "sse", port, path: "/events", everyMs: 100 },
    { kind: "tcp", port: lines },
  ],
  build: async ({ version, directory }: Build) => {
    await copyFile(await buildTakeover(), join(directory, "server"));
    await writeFile(join(directory, "version"), `${version}\n`);
  },
} as const;
const health = ([port, lines]: Place["ports"]) => [
  { kind: "http", url: `http://self:${port}/`, samples: 20, maxFailures: 0, intervalMs: 5 },
  { kind: "tcp", address: "self", port: lines },
];

export const rows: readonly Row[] = [
  {
    ...shared,
    name: "c-takeover",
    manager: "process",
    lab: "loopback",
    contract: ({ ports }) =>
      documentOf(`${folder}component.yaml`, {
        env: { PORT: String(ports[0]), STREAM_PORT: String(ports[1]) },
        health: health(ports),
      }),
  },
  {
    ...shared,
    name: "c-takeover-systemd",
    manager: "systemd",
    lab: "systemd",
    contract: ({ ports }) =>
      documentOf(`${folder}component.yaml`, {
        ...{ manager: "systemd", units: ["c-takeover.service"], env: {} },
        switch: { strategy: "takeover", readyWithinSeconds: 20, stopWithinSeconds: 10 },
        health: health(ports),
      }),
    units: await unitsIn(`${folder}units`),
  },
];
