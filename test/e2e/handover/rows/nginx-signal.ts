// Debian's nginx in its two versions, under strategy signal.
import { createHash } from "node:crypto";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { takeFromDebian } from "../../../support/debian-files.ts";
import { nginxFiles } from "../../../support/master-services.ts";
import { documentOf, unitsIn } from "../document-of.ts";
import type { Row } from "../row.ts";

const source = fileURLToPath(new URL("../../../../deploy/components/nginx/", import.meta.url));
const body = "(?<text>nginx (?<version>\\S+) x*) sum (?<sum>[0-9a-f]{8})\\n";

/** Whole answers prove themselves. The long one takes about a second: nginx sends its first half at once. */
function site(version: string): string {
  const answer = (length: number): string => {
    const text = `nginx ${version} ${"x".repeat(length)}`;
    return `"${text} sum ${createHash("sha256").update(text).digest("hex").slice(0, 8)}\\n"`;
  };
  return `server {
  listen 0.0.0.0:8080 backlog=1024;
  location / { return 200 ${answer(10)}; }
  location /work { limit_rate 1500; return 200 ${answer(1900)}; }
}
`;
}

export const rows: readonly Row[] = [
  {
    name: "nginx-signal",
    of: "components/nginx",
    strategy: "signal",
    manager: "systemd",
    lab: "systemd",
    grade: "request-safe",
    contract: () => documentOf(join(source, "component.yaml")),
    units: await unitsIn(join(source, "units")),
    traffic: ({ ports: [port] }) => [
      { kind: "new", port, body },
      { kind: "keep-alive", port, body },
      { kind: "long", port, path: "/work", workMs: 1000, body },
    ],
    build: async ({ version, which, directory }) => {
      await cp(join(source, "tree"), directory, { recursive: true });
      await writeFile(join(directory, "site.conf"), site(version));
      await takeFromDebian(nginxFiles, directory, which === "A" ? 1 : 0);
    },
  },
];
