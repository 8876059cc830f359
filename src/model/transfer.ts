// What a release is published as and what can be sent to reach one tree, as plain data.
// Interfaces that carry it to and fro are in ports.ts.

/** What one published component version is made of. Texts are exactly the signed bytes. */
export interface PublishedRelease {
  readonly component: string;
  readonly version: string;
  readonly metadata: string;
  readonly signatures: string;
  readonly manifest: string;
  readonly bundleManifest?: string;
}

export type Codec = "zstd" | "xz" | "gzip" | "none";

/** A payload on local disk, ready to be streamed. */
export interface PayloadFile {
  readonly path: string;
  /** `sha256:…` of the file. */
  readonly digest: string;
  readonly bytes: number;
  /** `patch`: a container of package/patch, to be applied to `base`; else a packed tar. */
  readonly codec: Codec | "patch";
  /** Size of the unpacked tar stream; of a patch the most that one stage decodes to, index and groups together. */
  readonly outputBytes: number;
  /** Tree digest that a patch starts from. */
  readonly base?: string;
  /** MiB that a patch's decoders need at most; absent for a full payload. */
  readonly memoryMib?: number;
}

/** Which decoders a patch may use; a host needs all of them. */
export type PatchVariant = "zstd" | "zstd-bsdiff";

/** A patch that lies in the artifact repository, as the signed list of its target tree names it. */
export interface PublishedPatch {
  readonly from: string;
  readonly variant: PatchVariant;
  readonly digest: string;
  readonly bytes: number;
  readonly outputBytes: number;
  readonly memoryMib: number;
}

/** What can be sent to reach one tree. Signed by release keys (namespace `cutover-transfers`). */
export interface TransferList {
  readonly tree: string;
  /** Bytes of the full payload (zstd). */
  readonly fullBytes: number;
  readonly patches: readonly PublishedPatch[];
}

/** What a host needs in order to build one version; `payload` gives the file when the host says that it needs it. */
export interface Delivery {
  readonly component: string;
  readonly version: string;
  readonly release: PublishedRelease;
  readonly envelope: string;
  readonly envelopeSignature: string;
  readonly payload: PayloadFile;
  readonly bundlePayload?: PayloadFile;
  /** What was compared when this payload was chosen, for the record. */
  readonly why?: string;
}
