// The grammars of names. Kept in one place because host.sh checks the same ones.
import { z } from "zod";

export const ComponentName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "lower-case letters, digits and dashes, starting with a letter, at most 63")
  .meta({ id: "ComponentName" });
export type ComponentName = z.infer<typeof ComponentName>;

export const HostName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, "lower-case letters, digits, dots and dashes, at most 63")
  .meta({ id: "HostName" });
export type HostName = z.infer<typeof HostName>;

export const Version = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/,
    "letters, digits and . _ + -, starting with a letter or digit, at most 64",
  )
  .meta({ id: "Version", description: "Always a string: quote it, since 1.10 without quotes is the number 1.1" });
export type Version = z.infer<typeof Version>;

export const Digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 lower-case hex digits")
  .meta({ id: "Digest" });
export type Digest = z.infer<typeof Digest>;
