// The envelope: what the controller signs to bind a published release to hosts, a run and an epoch. It gates parsing on the host. Pure.
import { z } from "zod";
import { CutoverError } from "../errors.ts";
import { encodeKeyValues, type KeyValue, MalformedTextError, parseKeyValues } from "../model/key-values.ts";
import { ComponentName, Digest, HostName, Version } from "../model/names.ts";

export const envelopeNamespace = "cutover-envelope";
export const envelopePrincipal = "controller";

const count = z.int().min(0).max(999_999_999_999_999); // hosts take 15 digits

const EnvelopePayload = z.strictObject({
  /** Digest of the unpacked tree's manifest. */
  digest: Digest,
  /** `patch` for a tree only, together with a base. */
  codec: z.enum(["zstd", "xz", "gzip", "none", "patch"]),
  /** Digest and length of the compressed bytes. */
  payload: Digest,
  payloadBytes: count,
  /** Cap on the bytes of the unpacked tar stream; of a patch, on what one stage decodes to. */
  outputBytes: count,
});
export type EnvelopePayload = z.infer<typeof EnvelopePayload>;

export const Envelope = z
  .strictObject({
    component: ComponentName,
    version: Version,
    epoch: count,
    run: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
    /** Seconds since 1970. */
    expires: count,
    hosts: z.array(HostName).min(1),
    memoryMib: z.int().min(16).max(1_048_576),
    /** SHA-256 of the release metadata text. */
    release: Digest,
    /** Tree that a patch starts from; undefined for a full payload. */
    base: Digest.optional(),
    tree: EnvelopePayload,
    bundle: EnvelopePayload.optional(),
  })
  .refine(({ base, tree }) => (base === undefined) === (tree.codec !== "patch"), "a patch and its base come together")
  .refine(({ bundle }) => bundle?.codec !== "patch", "a bundle is sent whole");
export type Envelope = z.infer<typeof Envelope>;

const format = "cutover-envelope/1";
const number = /^(0|[1-9][0-9]{0,14})$/;

/** The exact text to sign. Hosts are a set: their order does not matter. */
export function encodeEnvelope(envelope: Envelope): string {
  const { component, version, epoch, run, expires, hosts, memoryMib, release, base, tree, bundle } =
    Envelope.parse(envelope);
  return encodeKeyValues([
    ["format", format],
    ["base", base ?? "none"],
    ["component", component],
    ["version", version],
    ["epoch", `${epoch}`],
    ["run", run],
    ["expires", `${expires}`],
    ["memory-mib", `${memoryMib}`],
    ["release", release],
    ...[...new Set(hosts)].map((host): KeyValue => ["host", host]),
    ...payloadEntries("tree", tree),
    ...(bundle === undefined ? [] : payloadEntries("bundle", bundle)),
  ]);
}

/** The exact inverse of `encodeEnvelope`. Throws `malformed-envelope`, also on keys it does not know. */
export function parseEnvelope(text: string): Envelope {
  try {
    return readEnvelope(parseKeyValues(text, { repeats: ["host"] }), text);
  } catch (error) {
    if (!(error instanceof MalformedTextError || error instanceof z.ZodError)) throw error;
    throw new CutoverError({
      code: "malformed-envelope",
      message: "The envelope is malformed",
      evidence: error.message,
      cause: error,
    });
  }
}

function readEnvelope(entries: readonly KeyValue[], text: string): Envelope {
  const values = new Map(entries);
  const envelope = Envelope.parse({
    component: values.get("component"),
    version: values.get("version"),
    epoch: numberOf(values, "epoch"),
    run: values.get("run"),
    expires: numberOf(values, "expires"),
    hosts: entries.flatMap(([key, value]) => (key === "host" ? [value] : [])),
    memoryMib: numberOf(values, "memory-mib"),
    release: values.get("release"),
    ...(values.get("base") === "none" ? {} : { base: values.get("base") }),
    tree: readPayload(values, "tree"),
    ...(values.has("bundle") ? { bundle: readPayload(values, "bundle") } : {}),
  });
  // Whatever is missing, unknown or of another format shows as a difference to the one canonical text.
  if (encodeEnvelope(envelope) !== text) throw new MalformedTextError(0, "unknown keys, or another format");
  return envelope;
}

function payloadEntries(prefix: "tree" | "bundle", payload: EnvelopePayload): KeyValue[] {
  return [
    [prefix, payload.digest],
    [`${prefix}.codec`, payload.codec],
    [`${prefix}.payload`, payload.payload],
    [`${prefix}.payload-bytes`, `${payload.payloadBytes}`],
    [`${prefix}.output-bytes`, `${payload.outputBytes}`],
  ];
}

function readPayload(values: ReadonlyMap<string, string>, prefix: "tree" | "bundle"): unknown {
  return {
    digest: values.get(prefix),
    codec: values.get(`${prefix}.codec`),
    payload: values.get(`${prefix}.payload`),
    payloadBytes: numberOf(values, `${prefix}.payload-bytes`),
    outputBytes: numberOf(values, `${prefix}.output-bytes`),
  };
}

function numberOf(values: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = values.get(key);
  return text !== undefined && number.test(text) ? Number(text) : undefined;
}
