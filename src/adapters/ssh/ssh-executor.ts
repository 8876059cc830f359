// ExecutorPort over ssh2: one kept session a host, opened when needed, thrown away after any fault.
import { CutoverError, HostRefusedError, HostUnreachableError, RefusedError } from "../../errors.ts";
import { encodeGroups, parseProbe } from "../../host/protocol.ts";
import type { Host } from "../../model/fleet.ts";
import type { Delivery } from "../../model/transfer.ts";
import type { Clock, ExecutorPort, Fence, OnBytes } from "../../ports.ts";
import { type LinkTimes, openSshChannel, patientLink } from "./connect.ts";
import { putPayload, receiveDeadlineMs, receiveSilenceMs } from "./put-payload.ts";
import { readEvents } from "./read-events.ts";
import { openSession, type SessionClient } from "./session-client.ts";

/** Events arrive or the host says every 5 s that it lives. */
const eventsSilenceMs = 20_000;
/** One line a second, and a story of 20,000 events beside them: no step has more. */
const maxEventLines = (withinMs: number) => 20_000 + Math.ceil(withinMs / 1_000);
const maxEventBytes = 64 * 2 ** 20;
const probeLimits = { maxLines: 20_000, maxBytes: 2 * 2 ** 20 };

interface KeptSession {
  readonly session: Promise<SessionClient>;
  fence: string | undefined;
}

export function makeSshExecutor({
  privateKey,
  clock,
  link = {},
}: {
  privateKey: Buffer;
  clock: Pick<Clock, "now">;
  link?: Partial<LinkTimes>;
}): ExecutorPort {
  const kept = new Map<string, KeptSession>();
  const { answerMs, eventsMs } = { ...patientLink, ...link };

  function sessionOf(host: Host): KeptSession {
    const existing = kept.get(host.name);
    if (existing) return existing;
    const session = openSshChannel({ host, privateKey, word: "session", link })
      .then(({ channel, close }) => openSession({ stream: channel, host: host.name, end: close }))
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
        const args = [fence.run, String(fence.epoch), fence.holder];
        await session.request({ verb: "fence", args, deadlineMs: answerMs });
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
        const onData = (fields: readonly string[]) => void lines.push(fields);
        await session.request({ verb: "probe", onData, deadlineMs: answerMs, ...probeLimits });
        return { kind: "observed", host: host.name, at: clock.now(), ...parseProbe(lines) };
      }),
    deliver: (host, delivery, fence, onBytes) =>
      withSession(host, fence, (session) => deliver(session, delivery, onBytes)),
    submit: (host, step, groups, fence) =>
      withSession(host, fence, async (session) => {
        const payload = Buffer.from(encodeGroups(groups));
        const args = [fence.run, step, String(payload.length)];
        await session.request({ verb: "submit", args, payload, deadlineMs: answerMs });
      }),
    events(host, step, fence, withinMs = eventsMs) {
      let used: SessionClient | undefined;
      const limits = { deadlineMs: withinMs, maxLines: maxEventLines(withinMs), maxBytes: maxEventBytes };
      return readEvents({
        host,
        step,
        run: (onData) =>
          withSession(host, fence, (session) => {
            used = session;
            const args = [fence.run, step];
            return session.request({ verb: "events", args, silenceMs: eventsSilenceMs, onData, ...limits });
          }),
        leave: () => used?.close(),
      });
    },
    async close(host) {
      const one = host && kept.get(host.name);
      const entries = host === undefined ? [...kept] : one === undefined ? [] : [[host.name, one] as const];
      await Promise.all(
        entries.map(async ([name, entry]) => {
          kept.delete(name);
          const session = await entry.session.catch(() => undefined);
          session?.close();
        }),
      );
    },
  };
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

async function deliver(session: SessionClient, delivery: Delivery, onBytes: OnBytes): Promise<void> {
  const { release } = delivery;
  const documents: [string, string | undefined][] = [
    ["release", release.metadata],
    ["release.sig", release.signatures],
    ["envelope", delivery.envelope],
    ["envelope.sig", delivery.envelopeSignature],
    // The host composes a patch's manifest itself, from the base's.
    ["manifest", delivery.payload.codec === "patch" ? undefined : release.manifest],
    ["bundle-manifest", release.bundleManifest],
  ];
  for (const [name, text] of documents) {
    if (text === undefined) continue;
    const payload = Buffer.from(text);
    const args = [name, String(payload.length)];
    await session.request({ verb: "doc", args, payload, deadlineMs: receiveDeadlineMs });
  }
  const [tree, bundle] = await session.request({
    verb: "offer",
    args: [delivery.component, delivery.version],
    silenceMs: receiveSilenceMs,
    deadlineMs: receiveDeadlineMs,
  });
  const needed = [
    ...(tree === "needed" ? [delivery.payload] : []),
    ...(bundle === "needed" && delivery.bundlePayload ? [delivery.bundlePayload] : []),
  ];
  let sent = 0;
  let complete = 0;
  for (const file of needed) {
    const before = sent;
    await putPayload(session, file, (sentOfIt, there) => {
      sent = before + sentOfIt;
      onBytes(sent, complete + there);
    });
    complete += file.bytes;
  }
}
