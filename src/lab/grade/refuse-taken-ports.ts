// Ports that somebody holds on this machine's loopback addresses, which a loopback host shares with it: found before anything is
// installed there, since the service's own words for it say nothing about where to look.
import { CutoverError, ExitCode } from "../../errors.ts";
import { listenOnce } from "../free-port.ts";
import type { GradeRequest } from "./grade-component.ts";

/** Throws `port-taken`, naming the ports that the component, or what stands beside it, could not listen on at this address. */
export async function refuseTakenPorts(
  { subject, traffic }: Pick<GradeRequest, "subject" | "traffic">,
  address: string,
): Promise<void> {
  const needed = [subject, ...subject.beside].flatMap(({ contract }) => contract.needs.ports);
  const ports = [...new Set([...needed, ...traffic.map(({ port }) => port)])].sort((a, b) => a - b);
  const taken: number[] = [];
  for (const port of ports) {
    const code = await listenOnce(address, port).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    );
    // What else keeps us from listening, such as a low port, need not keep the service.
    if (code === "EADDRINUSE") taken.push(port);
  }
  if (taken.length === 0) return;
  const { name } = subject.contract;
  const filter = taken.map((port) => `sport = :${port}`).join(" or ");
  throw new CutoverError({
    code: "port-taken",
    exitCode: ExitCode.lacking,
    message: `Port ${taken.join(", ")} is in use on this machine, and ${name} on its lab host could not listen there`,
    evidence: `The lab host is ${address} on this machine; whoever listens on all of its addresses holds the port there, too`,
    impact: "Nothing was installed, and nothing of yours was touched",
    remedy: `ss -ltnp '${filter}' shows who listens; stop that, then cutover grade ${name} again`,
  });
}
