// One SSH connection with pinned host keys and only ciphers that Terrapin does not touch (T24, T25).
import "./native-ciphers.ts";
import { timingSafeEqual } from "node:crypto";
import { connect } from "node:net";
import { Client, type ClientChannel, type ConnectConfig } from "ssh2";
import { HostUnreachableError, RefusedError } from "../../errors.ts";
import type { Host } from "../../model/fleet.ts";

/** After how long a link counts as dead. */
export interface LinkTimes {
  /** From connecting to logged in, and again from there to the session's channel. */
  readonly readyMs: number;
  /** A link that was up is dead after three of these without an answer. */
  readonly keepaliveMs: number;
  /** Whole time of an answer to a small request. */
  readonly answerMs: number;
  /** Whole time of listening to one step, unless the caller knows better. */
  readonly eventsMs: number;
}

export const patientLink: LinkTimes = {
  readyMs: 15_000,
  keepaliveMs: 5_000,
  answerMs: 120_000,
  eventsMs: 2 * 3_600_000,
};

/** A host that does not close its end is not waited for any longer. */
const closeMs = 2_000;
/** What sudo or a login shell may say beside the session; nothing there is read. */
const maxStderrBytes = 1024 * 1024;

const algorithms: NonNullable<ConnectConfig["algorithms"]> = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
  compress: ["none"],
};

export interface SshChannel {
  readonly channel: ClientChannel;
  /** Idempotent; the channel ends with it, and the socket soon after, whatever the host does. */
  close(): void;
}

/** Connects, proves the host key, and asks for the one word that the forced command knows. */
export function openSshChannel({
  host,
  privateKey,
  word,
  link = {},
}: {
  host: Host;
  privateKey: Buffer;
  word: string;
  link?: Partial<LinkTimes>;
}): Promise<SshChannel> {
  const { readyMs, keepaliveMs } = { ...patientLink, ...link };
  const pinned = host.hostKeys.map((line) => Buffer.from(line.split(" ")[1] ?? "", "base64"));
  return new Promise((resolve, reject) => {
    const client = new Client();
    // Our own socket: the client's `destroy` does nothing once it has said `end`.
    const socket = connect({ host: host.address, port: host.port, noDelay: true });
    let shown: string | undefined;
    let late: NodeJS.Timeout | undefined;
    const fail = (cause: unknown) => {
      clearTimeout(late);
      socket.destroy();
      reject(shown === undefined ? new HostUnreachableError(host, cause) : hostKeyChanged(host, shown));
    };
    const close = () => {
      client.end();
      const timer = setTimeout(() => socket.destroy(), closeMs);
      socket.once("close", () => clearTimeout(timer));
      if (socket.destroyed) clearTimeout(timer);
    };
    client.on("error", fail);
    client.on("close", () => fail(new Error("the connection was closed")));
    client.on("ready", () => {
      late = setTimeout(() => fail(new Error(`no session within ${readyMs / 1000} s`)), readyMs);
      client.exec(word, (error, channel) => {
        clearTimeout(late);
        if (error) return fail(error);
        discardStderr(channel, close);
        resolve({ channel, close });
      });
    });
    client.connect({
      sock: socket,
      username: host.user,
      privateKey,
      algorithms: { ...algorithms, serverHostKey: hostKeyTypes(host) },
      readyTimeout: readyMs,
      keepaliveInterval: keepaliveMs,
      keepaliveCountMax: 3,
      hostVerifier: (key: Buffer) => {
        const known = pinned.some((pin) => pin.length === key.length && timingSafeEqual(pin, key));
        if (!known) shown = key.toString("base64");
        return known;
      },
    });
  });
}

/** It must be read or the window closes, and a host that floods it is not listened to. */
function discardStderr(channel: ClientChannel, close: () => void): void {
  let bytes = 0;
  channel.stderr.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxStderrBytes) close();
  });
}

type ServerHostKeys = Exclude<
  NonNullable<ConnectConfig["algorithms"]>["serverHostKey"],
  undefined | Record<string, unknown>
>;

/** Only the types that are pinned, so that the server shows a key we can compare. */
function hostKeyTypes(host: Host): ServerHostKeys {
  const types = host.hostKeys.map((line) => line.split(" ")[0] ?? "");
  return types.flatMap((type) => (type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256"] : [type])) as ServerHostKeys;
}

function hostKeyChanged(host: Host, shown: string): RefusedError {
  return new RefusedError({
    code: "host-key-changed",
    message: `${host.name} at ${host.address}:${host.port} shows a host key that the Fleet does not pin`,
    evidence: `shown ${shown}, pinned ${host.hostKeys.join(" or ")}`,
    impact: "Nothing was sent to it; other hosts go on",
    remedy: `cutover host check ${host.name}, and pin the new key in the Fleet only if the machine was really re-installed`,
  });
}
