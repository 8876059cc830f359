// A component that drains by all that a contract has for it, on a host of parts.
import { join } from "node:path";
import type { PartsHost } from "./host-parts.ts";

export interface Draining {
  readonly notReady: string;
  readonly inflight: string;
  readonly words: string;
  drain(run?: string): ReturnType<PartsHost["task"]>;
}

/** v1 is current; v2's contract drains by a not-ready file, a task and a count in a file, with `more` in place of these: empty is without. */
export async function draining(host: PartsHost, more: Record<string, string> = {}): Promise<Draining> {
  const [notReady, inflight, words] = ["web/not-ready", "inflight", "words"].map((path) => join(host.base, path));
  if (notReady === undefined || inflight === undefined || words === undefined) throw new Error("three paths");
  const note = (word: string) =>
    `#!/bin/sh\necho "${word} $([ -e ${notReady} ] && echo not-ready || echo ready)" >>${words}\n`;
  await host.install("v1");
  const contract = {
    "drain.seconds": "60",
    "drain.not-ready-file": notReady,
    "drain.task": "balance",
    "task.balance.do": "out",
    "task.balance.undo": "in",
    "drain.inflight.file": inflight,
    ...more,
  };
  await host.install("v2", {
    bundle: { out: note("out"), in: note("in") },
    contract: Object.fromEntries(Object.entries(contract).filter(([, value]) => value !== "")),
  });
  for (const kind of ["switch", "confirm", "commit"])
    await host.task(kind, "do", { version: "v1", run: "r0", session: kind });
  return { notReady, inflight, words, drain: (run = "r1") => host.task("drain", "do", { version: "v2", run }) };
}
