// ExecutorPort over ssh2: one kept session a host and run, opened when needed, thrown away after any fault. Runs that work on
// the same host side by side share no session: each has a fence of its own, and its own proof of contact.
import { CutoverError, HostRefusedError, HostUnreachableError, RefusedError } from "../../errors.ts";
import { encodeGroups, parseClock, parseProbe } from "../../host/protocol.ts";
import type { Host } from "../../model/fleet.ts";
import type { Delivery } from "../../model/transfer.ts";
import type { Clock, ExecutorPort, Fence, OnBytes } from "../../ports.ts";
import { type LinkTimes, openSshChannel, patientLink } from "./connect.ts";
import { type KeptSession, makeKeptSessions } from "./kept-sessions.ts";
import { putPayload, receiveDeadlineMs, receiveSilenceMs } from "./put-payload.ts";
import { readEvents } from "./read-events.ts";
import { openSession, type SessionClient } from "./session-client.ts";

/** Events arrive or the host says every 5 s that it lives. */
const eventsSilenceMs = 20_000;
/** One line a second, and a story of 20,000 events beside them: no step has more. */
const maxEventLines = (withinMs: number) => 20_000 + Math.ceil(withinMs / 1_000);
const maxEventBytes = 64 * 2 ** 20;
const probeLimits = { maxLines: 20_000, maxBytes: 2 * 2 ** 20 };

export function makeSshExecutor({
  privateKey,
  clock,
  link = {},
}: {
  privateKey: Buffer;
  clock: Pick<Clock, "now">;
  link?: Partial<LinkTimes>;
}): ExecutorPort {
  const { answerMs, eventsMs } = { ...patientLink, ...link };
  const kept = makeKeptSessions((host) =>
    openSshChannel({ host, privateKey, word: "session", link })
      .then(({ channel, close }) => openSession({ stream: channel, host: host.name, end: close }))
      .then((session) => checkIdentity(session, host)),
  );

  /** Says who writes, once a session. */
  async function fenceOff(entry: KeptSession, session: SessionClient, fence: Fence): Promise<void> {
    if (entry.fence !== undefined) return;
    const args = [fence.run, String(fence.epoch), fence.holder];
    await session.request({ verb: "fence", args, deadlineMs: answerMs });
    entry.fence = fence;
  }

  /** Runs `use` on the host's session of the run, without a fence on any. A refusal keeps the session; any other fault drops it and reads as unreachable. */
  async function withSession<T>(
    host: Host,
    fence: Fence | undefined,
    use: (session: SessionClient) => Promise<T>,
  ): Promise<T> {
    const { entry, giveBack } = kept.take(host, fence);
    try {
      const session = await entry.session;
      if (fence) await fenceOff(entry, session, fence);
      return await use(session);
    } catch (error) {
      if (error instanceof HostRefusedError) throw error;
      kept.drop(entry);
      if (error instanceof RefusedError || error instanceof HostUnreachableError) throw error;
      if (error instanceof CutoverError && error.code !== "link-lost" && error.code !== "host-protocol") throw error;
      throw new HostUnreachableError(
        host,
        error instanceof CutoverError && error.evidence
          ? new Error(`${error.message}: ${error.evidence}`, { cause: error })
          : error,
      );
    } finally {
      giveBack();
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
    clock: (host, fence) =>
      withSession(host, fence, async (session) =>
        parseClock(await session.request({ verb: "clock", deadlineMs: answerMs })),
      ),
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
    close: (host, run) => kept.close(host?.name, run),
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
