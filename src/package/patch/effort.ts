// How much a patch may cost to make. Pure.

export type PatchEffort = "fast" | "best";

export interface EffortSettings {
  /** zstd's level for so many bytes. */
  zstdLevel(bytes: number): number;
  /** bsdiff takes about nine times the reference in memory, and half a second a MB. */
  readonly maxBsdiffBytes: number;
  /** Whether joining groups is tried where it may save bytes. */
  readonly joins: boolean;
  /** From this size on a file is a group of its own. */
  readonly bigFileBytes: number;
  /** Encoders at once. */
  readonly concurrency: number;
}

const mib = 1024 ** 2;
/** Two encoders with references, windows and tables of a GiB in all, and as much again for what else runs. */
const roomForAnotherBytes = 4 * 1024 ** 3;

/** Patches that may be made at once by one process, however many hosts wait: each has encoders of its own. `availableBytes` is what is free now. */
export function patchesAtOnce(availableBytes: number): number {
  return availableBytes < roomForAnotherBytes ? 1 : 2;
}
const common = { concurrency: 2 };

/** `memoryBytes` is what the machine has. */
export function effortSettings(effort: PatchEffort, { memoryBytes }: { readonly memoryBytes: number }): EffortSettings {
  if (effort === "best")
    // Two at a time, in half of the memory: a twentieth of it for old and new together.
    return {
      ...common,
      zstdLevel: () => 22,
      maxBsdiffBytes: Math.floor(memoryBytes / 20),
      bigFileBytes: mib,
      joins: true,
    };
  return {
    // Between 12 and 19 a level costs ten times as much and saves little.
    zstdLevel: (bytes) => (bytes <= 4 * mib ? 19 : 12),
    maxBsdiffBytes: 8 * mib,
    bigFileBytes: 16 * mib,
    joins: false,
    ...common,
  };
}
