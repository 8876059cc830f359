// ExecutorPort over ssh2: one kept session a host, opened when needed, thrown away after any fault.
import { CutoverError, HostRefusedError, HostUnreachableError, RefusedError } from "../../errors.ts";
import { encodeGroups, isHeartbeat, parseProbe, parseTaskEvent } from "../../host/protocol.ts";
import type { Host } from "../../model/fleet.ts";
import type { TaskEvent } from "../../model/task.ts";
import type { Clock, Delivery, ExecutorPort, Fence } from "../../ports.ts";
import { type LinkTimes, openSshChannel } from "./connect.ts";
import { putPayload, receiveSilenceMs } from "./put-payload.ts";
import { openSession, type SessionClient } from "./session-client.ts";

/** Events arrive or the host says every 5 s that it lives. */
const eventsSilenceMs = 20_000;

interface KeptSession {
  readonly session: Promise<SessionClient>;
  fence: string | undefined;
}

export function makeSshExecutor({
  keyPath,
  clock,
  link = {},
}: {
  keyPath: string;
  clock: Pick<Clock, "now">;
  link?: Partial<LinkTimes>;
}): ExecutorPort {
  const kept = new Map<string, KeptSession>();

  function sessionOf(host: Host): KeptSession {
    const existing = kept.get(host.name);
    if (existing) return existing;
    const session = openSshChannel({ host, keyPath, word: "session", link })
      .then(({ channel, close }) => {
        // Its stderr says nothing we parse (sudo may print there), but it must be read or the window closes.
        channel.stderr.resume();
        return openSession({ stream: channel, host: host.name, end: close });
      })
      .then((session) => checkIdentity(session, host));
    const entry: KeptSession = { session, fence: undefined };
    kept.set(host.name, entry);
    session.catch(() => drop(host, entry));
    return entry;
  }

  function drop(host: Host, entry: KeptSession): void {
    if (kept.get(host.name) === entry) kept.delete(host.name);
    entry.session.then(
      (session) => session.close(),
      () => {},
    );
  }

  /** Runs `use` on the host's session. A refusal keeps the session; any other fault drops it and reads as unreachable. */
  async function withSession<T>(
    host: Host,
    fence: Fence | undefined,
    use: (session: SessionClient) => Promise<T>,
  ): Promise<T> {
    let entry = sessionOf(host);
    const wanted = fence && `${fence.run} ${fence.epoch} ${fence.holder}`;
    if (wanted !== undefined && entry.fence !== undefined && entry.fence !== wanted) {
      drop(host, entry);
      entry = sessionOf(host);
    }
    try {
      const session = await entry.session;
      if (fence && entry.fence === undefined) {
        await session.request({ verb: "fence", args: [fence.run, String(fence.epoch), fence.holder] });
        entry.fence = wanted;
      }
      return await use(session);
    } catch (error) {
      if (error instanceof HostRefusedError) throw error;
      drop(host, entry);
      if (error instanceof RefusedError || error instanceof HostUnreachableError) throw error;
      if (error instanceof CutoverError && error.code !== "link-lost" && error.code !== "host-protocol") throw error;
      throw new HostUnreachableError(
        host,
        error instanceof CutoverError && error.evidence
          ? new Error(`${error.message}: ${error.evidence}`, { cause: error })
          : error,
      );
    }
  }

  return {
    probe: (host) =>
      withSession(host, undefined, async (session) => {
        const lines: (readonly string[])[] = [];
        await session.request({ verb: "probe", onData: (fields) => lines.push(fields) });
        return { kind: "observed", host: host.name, at: clock.now(), ...parseProbe(lines) };
      }),
    deliver: (host, delivery, fence, onBytes) =>
      withSession(host, fence, (session) => deliver(session, delivery, onBytes)),
    submit: (host, step, groups, fence) =>
      withSession(host, fence, async (session) => {
        const payload = Buffer.from(encodeGroups(groups));
        await session.request({ verb: "submit", args: [fence.run, step, String(payload.length)], payload });
      }),
    async *events(host, step, fence) {
      yield* streamEvents(
        (onData) =>
          withSession(host, fence, (session) =>
            session.request({ verb: "events", args: [fence.run, step], silenceMs: eventsSilenceMs, onData }),
          ),
        host,
        step,
      );
    },
    async close(host) {
      const entries = [...kept].filter(([name]) => host === undefined || name === host.name);
      for (const [name, entry] of entries) {
        kept.delete(name);
        const session = await entry.session.catch(() => undefined);
        session?.close();
      }
    },
  };
}

/** Turns pushed lines into a pulled iteration, so that the caller's journal write slows the reading down. */
async function* streamEvents(
  run: (onData: (fields: readonly string[]) => void) => Promise<readonly string[]>,
  host: Host,
  step: string,
): AsyncIterable<TaskEvent> {
  const queue: TaskEvent[] = [];
  let wake = () => {};
  let result: { readonly fields: readonly string[] } | { readonly error: unknown } | undefined;
  const finish = (value: NonNullable<typeof result>) => {
    result = value;
    wake();
  };
  run((fields) => {
    if (isHeartbeat(fields)) return;
    queue.push(parseTaskEvent(fields).event);
    wake();
  }).then(
    (fields) => finish({ fields }),
    (error: unknown) => finish({ error }),
  );
  for (;;) {
    const event = queue.shift();
    if (event) yield event;
    else if (result && "error" in result) throw result.error;
    else if (result) {
      if (result.fields[0] !== "ended") throw stepLost(host, step);
      return;
    } else await new Promise<void>((resolve) => (wake = resolve));
  }
}

/** The right key on the wrong machine happens after a mix-up of addresses: the host says itself who it is. */
function checkIdentity(session: SessionClient, host: Host): SessionClient {
  const name = session.greeting.host;
  if (name === host.name) return session;
  session.close();
  throw new RefusedError({
    code: "wrong-host",
    message: `${host.address}:${host.port} was enrolled as ${name}, the Fleet calls it ${host.name}`,
    impact: "Nothing was sent to it; other hosts go on",
    remedy: `correct the address of ${host.name} in the Fleet, or enrol the machine again: cutover host enrol ${host.name}`,
  });
}

function stepLost(host: Host, step: string): RefusedError {
  return new RefusedError({
    code: "step-lost",
    message: `${host.name} has no result for ${step}, and nothing there is working on it`,
    impact: "Its tasks may or may not have run; the way back undoes both",
    remedy: `cutover host check ${host.name}`,
  });
}

async function deliver(session: SessionClient, delivery: Delivery, onBytes: (sent: number) => void): Promise<void> {
  const { release } = delivery;
  const documents: [string, string | undefined][] = [
    ["release", release.metadata],
    ["release.sig", release.signatures],
    ["envelope", delivery.envelope],
    ["envelope.sig", delivery.envelopeSignature],
    ["manifest", release.manifest],
    ["bundle-manifest", release.bundleManifest],
  ];
  for (const [name, text] of documents) {
    if (text === undefined) continue;
    const payload = Buffer.from(text);
    await session.request({ verb: "doc", args: [name, String(payload.length)], payload });
  }
  const [tree, bundle] = await session.request({
    verb: "offer",
    args: [delivery.component, delivery.version],
    silenceMs: receiveSilenceMs,
  });
  let sent = 0;
  const count = (bytes: number) => {
    sent += bytes;
    onBytes(sent);
  };
  if (tree === "needed") await putPayload(session, delivery.payload, count);
  if (bundle === "needed" && delivery.bundlePayload) await putPayload(session, delivery.bundlePayload, count);
}
