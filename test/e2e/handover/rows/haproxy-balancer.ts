// A service that ends without grace, on two hosts behind HAProxy on a third, which takes each out of traffic for its switch.
import {
  balancerContract,
  webBody as body,
  buildBalancer,
  buildWeb,
  poolBundle,
  webContract,
} from "../../../support/balancer-parts.ts";
import type { Row } from "../row.ts";

/** The loopback lab counts its hosts from 1. */
const servers = { "web-1": "127.0.1.1", "web-2": "127.0.1.2" };

export const rows: readonly Row[] = [
  {
    name: "haproxy-balancer",
    of: "components/haproxy-pool",
    strategy: "balancer",
    manager: "process",
    lab: "loopback",
    grade: "request-safe",
    contract: async ({ ports: [port] }) => ({ ...webContract({ port }), grade: "request-safe" }),
    traffic: ({ ports: [port] }) => [
      { kind: "new", port, body },
      { kind: "keep-alive", port, body },
      { kind: "long", port, path: "/?ms=400", workMs: 400, body },
    ],
    build: ({ version, directory }) => buildWeb(directory, version),
    hosts: [...Object.keys(servers), "lb"],
    on: Object.keys(servers),
    front: "lb",
    beside: [
      {
        host: "lb",
        contract: ({ ports: [port] }) => balancerContract(port),
        build: ({ directory, place: { ports: [port] } }) => buildBalancer(directory, { port, servers }), // biome-ignore format: one line
        bundle: poolBundle,
      },
    ],
  },
];
