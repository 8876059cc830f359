// One SSH connection with pinned host keys and only ciphers that Terrapin does not touch (T24, T25).

import { timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { Client, type ClientChannel, type ConnectConfig } from "ssh2";
import { HostUnreachableError, RefusedError } from "../../errors.ts";
import type { Host } from "../../model/fleet.ts";

/** After how long a link counts as dead. */
export interface LinkTimes {
  /** From connecting to logged in. */
  readonly readyMs: number;
  /** A link that was up is dead after three of these without an answer. */
  readonly keepaliveMs: number;
}

const patientLink: LinkTimes = { readyMs: 15_000, keepaliveMs: 5_000 };

const algorithms: NonNullable<ConnectConfig["algorithms"]> = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
  compress: ["none"],
};

export interface SshChannel {
  readonly channel: ClientChannel;
  /** Idempotent; the channel ends with it. */
  close(): void;
}

/** Connects, proves the host key, and asks for the one word that the forced command knows. */
export function openSshChannel({
  host,
  keyPath,
  word,
  link = {},
}: {
  host: Host;
  keyPath: string;
  word: string;
  link?: Partial<LinkTimes>;
}): Promise<SshChannel> {
  const { readyMs, keepaliveMs } = { ...patientLink, ...link };
  const pinned = host.hostKeys.map((line) => Buffer.from(line.split(" ")[1] ?? "", "base64"));
  const privateKey = readFileSync(keyPath);
  return new Promise((resolve, reject) => {
    const client = new Client();
    let shown: string | undefined;
    const fail = (cause: unknown) => {
      client.destroy();
      reject(shown === undefined ? new HostUnreachableError(host, cause) : hostKeyChanged(host, shown));
    };
    client.on("error", fail);
    client.on("close", () => fail(new Error("the connection was closed")));
    client.on("ready", () => {
      client.setNoDelay(true);
      client.exec(word, (error, channel) => {
        if (error) return fail(error);
        resolve({ channel, close: () => void client.end() });
      });
    });
    client.connect({
      host: host.address,
      port: host.port,
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
