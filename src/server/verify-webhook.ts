// Who may hint over HTTP: each forge's own proof that it knows our secret, compared in constant time (T32).
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export interface HookRequest {
  readonly secret: string;
  /** Exactly the bytes that were received. */
  readonly body: Uint8Array;
  /** A header by its lower-case name. */
  readonly header: (name: string) => string | undefined;
}

/** Which forge sends hooks to `/webhooks/NAME`: what it says happened, and how it proves who it is. */
export interface HookKind {
  readonly eventHeader: string;
  /** What the event of a push is called. */
  readonly push: string;
  /** False for anything but a whole, well-formed proof; a missing header is no proof. */
  readonly isSigned: (request: HookRequest) => boolean;
}

export const hookKinds: Readonly<Record<string, HookKind>> = {
  github: {
    eventHeader: "x-github-event",
    push: "push",
    isSigned: ({ header, ...rest }) => isHmac(rest, withoutPrefix(header("x-hub-signature-256"), "sha256=")),
  },
  gitlab: {
    eventHeader: "x-gitlab-event",
    push: "Push Hook",
    isSigned: ({ secret, header }) => isSameSecret(secret, header("x-gitlab-token")),
  },
  gitea: {
    eventHeader: "x-gitea-event",
    push: "push",
    isSigned: ({ header, ...rest }) => isHmac(rest, header("x-gitea-signature")),
  },
  forgejo: {
    eventHeader: "x-forgejo-event",
    push: "push",
    isSigned: ({ header, ...rest }) => isHmac(rest, header("x-forgejo-signature")),
  },
};

/** HMAC-SHA-256 of the raw body, 64 lower-case hex digits. */
function isHmac({ secret, body }: Pick<HookRequest, "secret" | "body">, signature: string | undefined): boolean {
  if (secret === "" || !/^[0-9a-f]{64}$/.test(signature ?? "")) return false;
  const expected = createHmac("sha256", secret).update(body).digest();
  return timingSafeEqual(expected, Buffer.from(signature ?? "", "hex"));
}

/** GitLab sends the secret itself. Digests under a fresh key are of one length, and say nothing about where texts differ. */
function isSameSecret(secret: string, sent: string | undefined): boolean {
  if (secret === "" || sent === undefined || sent.length > 1_024) return false;
  const key = randomBytes(32);
  const digest = (text: string) => createHmac("sha256", key).update(text).digest();
  return timingSafeEqual(digest(secret), digest(sent));
}

function withoutPrefix(text: string | undefined, prefix: string): string | undefined {
  return text?.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}
