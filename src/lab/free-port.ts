// Ports for what labs and tests run. They are chosen long before anybody listens there, and what listens is started anew again and again:
// in all that time nobody else on this machine may come by the same one.
import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type ListenOptions } from "node:net";
import { LackingError } from "../errors.ts";

/** The kernel gives the ports of its own range to whoever asks for any, and to every connection: ours are below it. */
const lowest = 20_000;
const kernelsLowest = 32_768;
const ATTEMPTS = 200;

/**
 * A port that is free on all addresses now, and that nobody else who asks here gets for as long as this process lives, also while nothing
 * listens there. `among`: from one up to another, without that.
 */
export async function freePort(
  addresses: readonly string[],
  among?: { readonly from: number; readonly to: number },
): Promise<number> {
  const { from, to } = among ?? { from: lowest, to: await belowKernels() };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(from, to);
    if (!(await claim(port))) continue;
    const listened = await Promise.allSettled(addresses.map((address) => listenOnce(address, port)));
    if (listened.every((one) => one.status === "fulfilled")) return port;
  }
  throw new LackingError("No port is free on all loopback addresses of the lab", "cutover lab down --all");
}

/** Listens for a moment; the port, which 0 leaves to the kernel. Throws what the kernel says, such as EADDRINUSE. */
export function listenOnce(address: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((done, reject) => {
    server.once("error", reject);
    server.listen(port, address, () => {
      const bound = server.address();
      server.close(() => done(typeof bound === "object" && bound !== null ? bound.port : port));
    });
  });
}

/** Holds a name that the kernel knows in the same place as the port, and forgets with this process; false when somebody has it. */
function claim(port: number): Promise<boolean> {
  const name: ListenOptions = { path: `\0cutover-port-${port}` };
  const server = createServer();
  return new Promise((done) => {
    server.once("error", () => done(false));
    server.listen(name, () => {
      server.unref();
      done(true);
    });
  });
}

/** Where a machine's own range begins so low that nothing is left below it, as if it had the usual one. */
async function belowKernels(): Promise<number> {
  const range = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8").catch(() => "");
  const begins = Number.parseInt(range, 10);
  return begins > lowest + 1_000 ? begins : kernelsLowest;
}
