// A service on each host's address whose answer the test chooses: the judge of releases that are files only.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { freePort } from "../../src/lab/free-port.ts";
import type { LabHost } from "../../src/lab/lab.ts";

export interface AnsweringServices {
  readonly port: number;
  /** 200 unless a host is named here. */
  readonly status: Map<string, number>;
}

/** Runs `body` while every host answers; nothing listens afterwards. */
export async function withAnsweringServices<T>(
  hosts: readonly LabHost[],
  body: (services: AnsweringServices) => Promise<T>,
): Promise<T> {
  const status = new Map<string, number>();
  const servers: Server[] = [];
  try {
    const port = await freePort(hosts.map(({ address }) => address));
    for (const { name, address } of hosts) {
      const server = createServer((_request, response) => {
        response.writeHead(status.get(name) ?? 200, { connection: "close" }).end(`${name}\n`);
      });
      servers.push(server);
      server.listen(port, address);
      await once(server, "listening");
    }
    return await body({ port, status });
  } finally {
    for (const server of servers) server.close();
  }
}
