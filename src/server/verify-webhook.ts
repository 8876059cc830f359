// GitHub's webhook signature: HMAC-SHA-256 over the raw body, compared in constant time (T32).
import { createHmac, timingSafeEqual } from "node:crypto";

/** True only for `sha256=` and the HMAC of exactly these bytes. A missing or malformed header is false. */
export function isSignedByGitHub({
  secret,
  body,
  header,
}: {
  secret: string;
  body: Uint8Array;
  header: string | undefined;
}): boolean {
  if (secret === "" || !/^sha256=[0-9a-f]{64}$/.test(header ?? "")) return false;
  const expected = createHmac("sha256", secret).update(body).digest();
  return timingSafeEqual(expected, Buffer.from((header ?? "").slice("sha256=".length), "hex"));
}
