// PostgreSQL from one minor version to the next on one host, while PgBouncer on another keeps its clients waiting. Clients are
// HTTP requests: each connection of them is a database connection of its own, so new ones and established ones are both there.
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildBouncer, buildPostgres, editFile } from "../../../support/postgres-trees.ts";
import { say } from "../../../support/with-systemd-world.ts";
import { documentOf, unitsIn } from "../document-of.ts";
import type { Row } from "../row.ts";

const components = fileURLToPath(new URL("../../../../deploy/components/", import.meta.url));
const bridge = fileURLToPath(new URL("../../../support/fixtures/sql-over-http.pl", import.meta.url));
const body = "(?<text>(?<version>\\S+) of 15\\d+) sum (?<sum>[0-9a-f]{8})\\n";

export const rows: readonly Row[] = [
  {
    name: "postgresql-balancer",
    of: "components/postgresql",
    strategy: "balancer",
    manager: "systemd",
    lab: "systemd",
    isLarge: true,
    grade: "request-safe",
    contract: () => documentOf(join(components, "postgresql/component.yaml")),
    traffic: () => [
      { kind: "new", port: 8080, body },
      { kind: "keep-alive", port: 8080, body },
      { kind: "long", port: 8080, path: "/?ms=400", workMs: 400, body },
    ],
    async build({ version, which, directory }) {
      await buildPostgres(directory, which);
      await editFile(join(directory, "postgresql.conf"), { "jit = off": `jit = off\ncluster_name = '${version}'` });
      await editFile(join(directory, "pg_hba.conf"), { "samenet        scram-sha-256": "samenet        trust" });
    },
    units: await unitsIn(join(components, "postgresql/units")),
    hosts: ["db-1", "lb-1"],
    front: "lb-1",
    async setUp(host) {
      if (host.name === "db-1") await say(host, "useradd", "--system", "--user-group", "postgres");
    },
    beside: [
      {
        host: "lb-1",
        contract: () => documentOf(join(components, "pgbouncer/component.yaml")),
        async build({ directory }) {
          await buildBouncer(directory);
          await editFile(join(directory, "pgbouncer.ini"), {
            "host=db-1 port=5432": "host=db-1 port=5432 dbname=postgres user=postgres",
            "auth_type = scram-sha-256\nauth_file = /etc/pgbouncer/userlist.txt": "auth_type = any",
          });
        },
        bundle: join(components, "pgbouncer/tasks"),
        units: await unitsIn(join(components, "pgbouncer/units")),
      },
      {
        host: "lb-1",
        contract: async () => ({
          ...{ apiVersion: "cutover/v1", kind: "Component", name: "desk", root: "/srv/cutover/desk" },
          ...{ manager: "systemd", units: ["desk.service"], switch: { strategy: "restart" } },
        }),
        async build({ directory }) {
          await mkdir(join(directory, "bin"));
          await copyFile(bridge, join(directory, "bin/sql-over-http"));
        },
        units: { "desk.service": deskUnit() },
      },
    ],
  },
];

function deskUnit(): string {
  return `[Service]
ExecStart=perl /srv/cutover/desk/current/bin/sql-over-http
DynamicUser=yes
`;
}
