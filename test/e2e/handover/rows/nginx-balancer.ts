// The same service without grace behind nginx, which takes each host out of an include file for its switch.
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { webBody as body, buildWeb, webContract } from "../../../support/balancer-parts.ts";
import { takeFromDebian } from "../../../support/debian-files.ts";
import { nginxFiles } from "../../../support/master-services.ts";
import { editFile } from "../../../support/postgres-trees.ts";
import { documentOf } from "../document-of.ts";
import type { Row } from "../row.ts";

const source = fileURLToPath(new URL("../../../../deploy/components/nginx-pool/", import.meta.url));
/** The loopback lab counts its hosts from 1; the last one balances. */
const servers = { "web-1": "127.0.1.1", "web-2": "127.0.1.2" };
const front = "127.0.1.3";
const pool = "/srv/cutover/pool";

export const rows: readonly Row[] = [
  {
    name: "nginx-balancer",
    of: "components/nginx-pool",
    strategy: "balancer",
    manager: "process",
    lab: "loopback",
    grade: "request-safe",
    contract: async ({ ports: [port] }) => {
      const contract = webContract({ port });
      const balancer = { component: "nginx-pool", task: "pool" };
      return { ...contract, grade: "request-safe", switch: { ...(contract.switch as object), balancer } };
    },
    traffic: ({ ports: [port] }) => [
      { kind: "new", port, body },
      { kind: "long", port, path: "/?ms=400", workMs: 400, body },
    ],
    build: ({ version, directory }) => buildWeb(directory, version),
    hosts: [...Object.keys(servers), "lb"],
    on: Object.keys(servers),
    front: "lb",
    async setUp(host, { ports: [port] }) {
      if (host.name !== "lb") return;
      await mkdir(host.prefix + pool, { recursive: true });
      const lines = Object.entries(servers).map(([name, address]) => `server ${address}:${port}; # ${name}\n`);
      await writeFile(`${host.prefix}${pool}/web.conf`, lines.join(""));
    },
    beside: [
      {
        host: "lb",
        contract: ({ ports: [port] }) =>
          documentOf(join(source, "component.yaml"), {
            ...{ manager: "process", units: [], needs: {} },
            switch: { strategy: "restart", start: "bin/start" },
            env: { NGINX_POOL: pool, NGINX_PID: `${pool}/nginx.pid` },
            health: [{ kind: "tcp", port, withinSeconds: 20 }],
          }),
        async build({ directory, place }) {
          const [port] = place.ports;
          await takeFromDebian(nginxFiles, directory);
          const config = join(directory, "nginx.conf");
          await cp(join(source, "tree"), directory, { recursive: true });
          // Where the host's files are is known when it starts.
          await editFile(config, { "/run/nginx-pool": "@POOL@", "/var/lib/nginx-pool": "@POOL@" });
          await editFile(config, { "0.0.0.0:8080": `${front}:${port}`, "proxy_pass http://web;": "proxy_pass http://web; proxy_next_upstream off;" }); // biome-ignore format: one line
          await writeFile(join(directory, "bin/start"), start, { mode: 0o755 });
        },
        bundle: join(source, "tasks"),
      },
    ],
  },
];

const start = `#!/bin/sh
cd -P "$(dirname "$0")/.." || exit 70
pool=\${CUTOVER_ROOT%/*}/pool
sed "s|@POOL@|$pool|g" nginx.conf >"$pool/nginx.conf"
echo $$ >"$CUTOVER_PID_FILE.new" && mv "$CUTOVER_PID_FILE.new" "$CUTOVER_PID_FILE"
exec bin/nginx -p "$pool" -e stderr -c "$pool/nginx.conf"
`;
