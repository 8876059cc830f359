// The demo's shop: Node under strategy exec.
import { mkdir, symlink } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { buildShop } from "../../../../src/lab/demo/build-shop.ts";
import { documentOf } from "../document-of.ts";
import type { Row } from "../row.ts";

const document = fileURLToPath(new URL("../../../../releases/components/shop.yaml", import.meta.url));
const body = "(?<text>shop (?<version>\\S+) node \\S+ pid \\d+ worker \\d+) sum (?<sum>[0-9a-f]{8})\\n";

export const rows: readonly Row[] = [
  {
    name: "shop-exec",
    of: "components/shop",
    strategy: "exec",
    manager: "process",
    lab: "loopback",
    grade: "request-safe",
    contract: ({ ports: [port] }) =>
      documentOf(document, {
        env: { PORT: String(port) },
        health: [{ kind: "http", url: `http://self:${port}/`, samples: 20, maxFailures: 0, intervalMs: 5 }],
      }),
    traffic: ({ ports: [port] }) => [
      { kind: "new", port, body },
      { kind: "keep-alive", port, body },
      { kind: "long", port, path: "/work?ms=400", workMs: 400, body },
    ],
    build: async ({ version, directory }) => {
      await buildShop({ version, failOneIn: 0 }, directory);
    },
    /** It runs on the host's component `node`; here that is this machine's own. */
    async setUp(host) {
      const bin = `${host.prefix}${host.baseDirectory}/node/versions/here/bin`;
      await mkdir(bin, { recursive: true });
      await symlink(process.execPath, `${bin}/node`);
      await symlink("versions/here", `${host.prefix}${host.baseDirectory}/node/current`);
    },
  },
];
