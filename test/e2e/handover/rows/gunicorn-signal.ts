// The Python skeleton under strategy signal: started by host.sh, and under systemd as deploy/components/gunicorn has it.
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installOnHost, takeFromDebian } from "../../../support/debian-files.ts";
import { gunicornFiles } from "../../../support/master-services.ts";
import { documentOf, unitsIn } from "../document-of.ts";
import type { Build, Place, Row } from "../row.ts";

const deploy = fileURLToPath(new URL("../../../../deploy/", import.meta.url));
const skeleton = join(deploy, "skeletons/python-gunicorn");
const component = join(deploy, "components/gunicorn");
const body = "(?<text>gunicorn (?<version>\\S+) pid \\d+) sum (?<sum>[0-9a-f]{8})\\n";
/** What `apt-get install python3 python3-pkg-resources` brings to a host; gunicorn needs the latter. */
const python = [
  ...["python3-minimal", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libexpat1"],
  "python3-pkg-resources",
];

const both = {
  strategy: "signal",
  grade: "request-safe",
  traffic: ({ ports: [port] }: Place) => [
    { kind: "new", port, body } as const,
    { kind: "keep-alive", port, body } as const,
    { kind: "long", port, path: "/work", workMs: 400, ratePerSecond: 2, body } as const,
  ],
  build: async ({ version, directory }: Build): Promise<void> => {
    for (const part of ["bin", "app.py", "gunicorn.conf.py"])
      await cp(join(skeleton, part), join(directory, part), { recursive: true });
    await writeFile(join(directory, "VERSION"), `${version}\n`);
    await takeFromDebian(gunicornFiles, directory);
  },
} as const;

export const rows: readonly Row[] = [
  {
    ...both,
    name: "python-gunicorn-signal",
    of: "skeletons/python-gunicorn",
    manager: "process",
    lab: "loopback",
    contract: ({ ports: [port] }) =>
      documentOf(join(skeleton, "component.yaml"), {
        env: { PORT: String(port) },
        health: [{ kind: "http", url: `http://self:${port}/`, samples: 20, maxFailures: 0, intervalMs: 5 }],
      }),
  },
  {
    ...both,
    name: "gunicorn-signal",
    of: "components/gunicorn",
    manager: "systemd",
    lab: "systemd",
    contract: () => documentOf(join(component, "component.yaml")),
    units: await unitsIn(join(component, "units")),
    setUp: (host) => installOnHost(host, python),
  },
];
