// Trust: whose signatures count. A commit is checked against the Trust of the last accepted commit, never its own.
import { z } from "zod";

export const PublicKey = z
  .string()
  .max(2048)
  .regex(
    /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) AAAA[A-Za-z0-9+/]+={0,3}$/,
    "an OpenSSH public key as in a .pub file, without the comment",
  )
  .meta({ id: "PublicKey" });
export type PublicKey = z.infer<typeof PublicKey>;

export const SignerName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/, "letters, digits and . _ @ -, at most 63")
  .meta({ id: "SignerName" });

export const TrustedSigner = z
  .strictObject({
    name: SignerName,
    publicKey: PublicKey,
    roles: z
      .array(z.enum(["admin", "operator"]))
      .min(1)
      .max(2)
      .describe("Only an admin may change the Trust document"),
  })
  .meta({ id: "TrustedSigner" });
export type TrustedSigner = z.infer<typeof TrustedSigner>;

export const Trust = z
  .strictObject({
    apiVersion: z.literal("cutover/v1"),
    kind: z.literal("Trust"),
    name: z.string().min(1).max(63).default("trust"),
    releaseKeys: z.array(PublicKey).min(1).max(50).describe("Kept offline; what they did not sign never runs"),
    threshold: z.int().min(1).max(50).default(1).describe("How many different release keys must have signed"),
    controllerKeys: z.array(PublicKey).max(50).default([]).describe("Sign envelopes and status notes"),
    commitSigners: z
      .array(TrustedSigner)
      .max(200)
      .default([])
      .describe("Who may commit; nobody means that nothing is accepted"),
  })
  .meta({ id: "Trust", description: "Whose signatures count" });
export type Trust = z.infer<typeof Trust>;

export interface TrustProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is wrong with a Trust beyond its schema: repeated keys or names, a threshold that nobody can reach (T7). */
export function checkTrust(trust: Trust): TrustProblem[] {
  const problems: TrustProblem[] = [];
  const repeated = (values: readonly string[], path: readonly (string | number)[], what: string) => {
    for (const [index, value] of values.entries()) {
      if (values.indexOf(value) < index)
        problems.push({ path: [...path, index], message: `this ${what} is there twice` });
    }
  };
  repeated(trust.releaseKeys, ["releaseKeys"], "key");
  repeated(trust.controllerKeys, ["controllerKeys"], "key");
  repeated(
    trust.commitSigners.map(({ name }) => name),
    ["commitSigners"],
    "name",
  );
  repeated(
    trust.commitSigners.map(({ publicKey }) => publicKey),
    ["commitSigners"],
    "key",
  );
  if (trust.threshold > trust.releaseKeys.length) {
    const message = `${trust.threshold} signatures are asked for, and there are ${trust.releaseKeys.length} release keys`;
    problems.push({ path: ["threshold"], message });
  }
  return problems;
}

/** The same text for the same Trust, whatever its YAML looked like; goes into the journal and back through `decodeTrust`. */
export function encodeTrust(trust: Trust): string {
  return JSON.stringify(Trust.parse(trust));
}

/** Throws when the text is not a Trust. */
export function decodeTrust(text: string): Trust {
  return Trust.parse(JSON.parse(text));
}
