// Debian's HAProxy in its two versions, with master and worker, under strategy reload.
import { createHash } from "node:crypto";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeFromDebian } from "../../../support/debian-files.ts";
import { haproxyFiles } from "../../../support/fleet-trees.ts";
import { documentOf, unitsIn } from "../document-of.ts";
import type { Row } from "../row.ts";

const source = fileURLToPath(new URL("../../../../deploy/components/haproxy/", import.meta.url));
const body = "(?<text>haproxy (?<version>\\S+)) sum (?<sum>[0-9a-f]{8})\\n";

/** A request on the second port waits 400 ms inside of HAProxy. */
function site(version: string): string {
  const text = `haproxy ${version}`;
  const answer = `${text} sum ${createHash("sha256").update(text).digest("hex").slice(0, 8)}\\n`;
  return `frontend web
  bind 0.0.0.0:8080
  http-request return status 200 content-type text/plain string "${answer}"
frontend slow
  bind 0.0.0.0:8081
  tcp-request inspect-delay 400ms
  tcp-request content accept if WAIT_END
  http-request return status 200 content-type text/plain string "${answer}"
`;
}

export const rows: readonly Row[] = [
  {
    name: "haproxy-reload",
    of: "components/haproxy",
    strategy: "reload",
    manager: "systemd",
    lab: "systemd",
    grade: "request-safe",
    contract: () => documentOf(join(source, "component.yaml")),
    units: await unitsIn(join(source, "units")),
    traffic: ({ ports: [port, slow] }) => [
      { kind: "new", port, body },
      { kind: "keep-alive", port, body },
      { kind: "long", port: slow, workMs: 400, body },
    ],
    build: async ({ version, which, directory }) => {
      await cp(join(source, "tree"), directory, { recursive: true });
      await writeFile(join(directory, "site.cfg"), site(version));
      await takeFromDebian(haproxyFiles, directory, which === "A" ? 1 : 0);
    },
  },
];
