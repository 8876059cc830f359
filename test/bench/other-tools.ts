// What else makes small updates, each on a tar of the tree: how it encodes, and how it gives the new tar back.
import { cp, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Measured, measured } from "./measure.ts";
import type { Tool } from "./tools.ts";

export interface Files {
  readonly older: string;
  readonly newer: string;
  /** The trees that the tars were made of. */
  readonly directories: readonly [string, string];
  /** Scratch space of this tool alone. */
  readonly work: string;
}

export interface Encoded {
  readonly bytes: number;
  readonly make: Measured;
  readonly apply: Measured | undefined;
}

export interface OtherTool {
  readonly name: string;
  readonly needs: readonly Tool[];
  /** Left out for larger tars unless everything is asked for: too slow for a run that people wait for. */
  readonly maxTarMib?: number;
  readonly run: (files: Files) => Promise<Encoded>;
}

const zstdMemory = ["--memory=2048MB", "--long=31"];

function zstdPatch(level: number): OtherTool["run"] {
  return ({ older, newer, work }) =>
    encode({
      patch: join(work, "patch"),
      make: (patch) => ["zstd", "-q", "-f", "--ultra", `-${level}`, "--single-thread", `--patch-from=${older}`, newer, "-o", patch], // biome-ignore format: one command
      apply: (patch) => ["zstd", "-q", "-f", "-d", ...zstdMemory, `--patch-from=${older}`, patch, "-o", join(work, "out")], // biome-ignore format: one command
    });
}

export const otherTools: readonly OtherTool[] = [
  {
    ...{ name: "full, zstd -19", needs: ["zstd"] },
    run: ({ newer, work }) =>
      encode({
        patch: join(work, "patch"),
        make: (patch) => ["zstd", "-q", "-f", "-19", "--single-thread", newer, "-o", patch],
        apply: (patch) => ["zstd", "-q", "-f", "-d", patch, "-o", join(work, "out")],
      }),
  },
  { name: "zstd --patch-from -19", needs: ["zstd"], run: zstdPatch(19) },
  { name: "zstd --patch-from -22", needs: ["zstd"], maxTarMib: 64, run: zstdPatch(22) },
  {
    ...{ name: "bsdiff", needs: ["bsdiff", "bspatch"] },
    run: ({ older, newer, work }) =>
      encode({
        patch: join(work, "patch"),
        make: (patch) => ["bsdiff", older, newer, patch],
        apply: (patch) => ["bspatch", older, join(work, "out"), patch],
      }),
  },
  {
    ...{ name: "xdelta3 -9", needs: ["xdelta3"] },
    run: ({ older, newer, work }) =>
      encode({
        patch: join(work, "patch"),
        make: (patch) => ["xdelta3", "-9", "-f", "-e", "-B", String(2 ** 29), "-s", older, newer, patch],
        apply: (patch) => ["xdelta3", "-f", "-d", "-B", String(2 ** 29), "-s", older, patch, join(work, "out")],
      }),
  },
  {
    ...{ name: "rsync -z, on the wire", needs: ["rsync"] },
    async run({ directories: [older, newer], work }) {
      const copy = join(work, "copy");
      await cp(older, copy, { recursive: true, preserveTimestamps: true });
      const argv = ["rsync", "-az", "--checksum", "--delete", "--no-whole-file", "--stats", `${newer}/`, `${copy}/`];
      const make = await measured(argv);
      const figure = (name: string) =>
        Number(new RegExp(`^Total bytes ${name}: ([\\d,]+)`, "m").exec(make.stdout)?.[1]?.replaceAll(",", ""));
      return { bytes: figure("sent") + figure("received"), make, apply: undefined };
    },
  },
];

async function encode(commands: {
  readonly patch: string;
  readonly make: (patch: string) => readonly string[];
  readonly apply: (patch: string) => readonly string[];
}): Promise<Encoded> {
  const make = await measured(commands.make(commands.patch));
  const apply = await measured(commands.apply(commands.patch));
  const { size } = await stat(commands.patch);
  await rm(commands.patch);
  return { bytes: size, make, apply };
}
