// The demo's shop: Node under strategy exec.
import { fileURLToPath } from "node:url";
import { buildShop } from "../../../../src/lab/demo/build-shop.ts";
import { documentOf } from "../document-of.ts";
import { layNodeRuntime } from "../node-runtime.ts";
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
    setUp: layNodeRuntime,
  },
];
