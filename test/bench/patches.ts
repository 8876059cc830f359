// (a) Five real steps: bytes, and time and memory to make and to apply, ours beside what else there is.
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pMap from "p-map";
import { publish } from "../../src/app/publish.ts";
import { startLoopbackLab } from "../../src/lab/loopback-lab.ts";
import { Component } from "../../src/model/component.ts";
import type { PatchVariant, PayloadFile } from "../../src/model/transfer.ts";
import { artifactWriter, signer } from "../../src/wiring.ts";
import { type Applied, type Builder, openBuilder } from "./apply-on-host.ts";
import type { BenchInput } from "./bench-input.ts";
import { type BenchHome, makeHome } from "./home.ts";
import { type Measured, measured, rounded } from "./measure.ts";
import { type Files, otherTools } from "./other-tools.ts";
import { type Pair, pairs } from "./pairs.ts";
import type { Aim, Section, Table } from "./report.ts";

const child = fileURLToPath(new URL("./make-patch.ts", import.meta.url));
const aimedAt = 1.02;

interface Row {
  readonly name: string;
  readonly bytes?: number;
  readonly make?: Measured;
  readonly apply?: Pick<Measured, "seconds" | "peakMib"> | undefined;
  /** Why there are no figures. */
  readonly left?: string;
}

interface Candidate {
  readonly name: string;
  readonly effort: "best" | "fast";
  readonly variant: PatchVariant;
}

const candidates: readonly Candidate[] = [
  { name: "cutover, best", effort: "best", variant: "zstd-bsdiff" },
  { name: "cutover, best, host without bsdiff", effort: "best", variant: "zstd" },
  { name: "cutover, fast", effort: "fast", variant: "zstd-bsdiff" },
];

export async function benchPatches(input: BenchInput): Promise<Section> {
  if (!input.tools.has("time") || !input.tools.has("zstd")) return nothing("no GNU time or no zstd here");
  const asked = pairs.filter(({ name }) => input.pairs.includes(name));
  const chosen = asked.length > 0 ? asked : input.quick ? pairs.slice(0, 1) : pairs;
  const home = await makeHome(join(input.directory, "home"));
  const lab = await startLoopbackLab({ directory: join(input.directory, "lab"), hosts: 1 });
  const [host] = lab.hosts;
  if (host === undefined) throw new Error("a lab of no hosts");
  const builder = await openBuilder(home, host);
  try {
    const tables: Table[] = [];
    const aims: Aim[] = [];
    const data: object[] = [];
    const broken: string[] = [];
    for (const pair of chosen) {
      const result = await benchPair(input, { pair, home, builder }).catch((error: unknown) => oneLine(error));
      if (typeof result === "string") {
        broken.push(`${pair.name} broke off: ${result}`);
        continue;
      }
      const { rows, treeBytes } = result;
      tables.push(tableOf(pair, rows, treeBytes));
      aims.push(...aimOf(pair, rows));
      data.push({ pair: pair.name, from: pair.from, to: pair.to, treeBytes, rows });
      input.say(`(a) ${pair.name} is done`);
    }
    const id = asked.length > 0 ? `a ${asked.map(({ name }) => name).join(" ")}` : "a";
    return { id, tables, aims, skipped: [...input.tools.missing, ...broken], data };
  } finally {
    await builder.close();
    await lab.down();
  }
}

interface PairInput {
  readonly pair: Pair;
  readonly home: BenchHome;
  readonly builder: Builder;
}

/** Two programs at a time, one a core: sizes do not care, and times are disturbed alike. */
async function benchPair(input: BenchInput, { pair, home, builder }: PairInput) {
  const directories = await pair.directories();
  const work = join(input.directory, pair.name);
  await mkdir(work);
  const [older, newer] = [join(work, "older.tar"), join(work, "newer.tar")];
  for (const [tar, directory] of [
    [older, directories[0]],
    [newer, directories[1]],
  ] as const)
    await measured(["tar", "-cf", tar, "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-C", directory, "."]);
  const treeBytes = (await stat(newer)).size;
  const others = otherTools.map((tool) =>
    unlessBroken(tool.name, async (): Promise<Row> => {
      const lacking = tool.needs.filter((each) => !input.tools.has(each));
      if (lacking.length > 0) return { name: tool.name, left: `${lacking.join(", ")} is not installed` };
      if (tool.maxTarMib !== undefined && treeBytes > tool.maxTarMib * 2 ** 20)
        return { name: tool.name, left: `takes minutes above ${tool.maxTarMib} MiB` };
      const own = join(work, tool.name.replace(/\W+/g, "-"));
      await mkdir(own);
      const files: Files = { older, newer, directories, work: own };
      const { bytes, make, apply } = await tool.run(files);
      await rm(own, { recursive: true, force: true });
      return { name: tool.name, bytes, make, apply };
    }),
  );
  const made = new Map<string, PayloadFile>();
  const mine = candidates.map(({ name, effort, variant }) =>
    unlessBroken(name, async (): Promise<Row> => {
      const target = join(work, `${effort}.${variant}`);
      const make = await measured([process.execPath, child, ...directories, effort, variant, target]);
      const file = JSON.parse(make.stdout) as PayloadFile;
      made.set(name, file);
      return { name, bytes: file.bytes, make };
    }),
  );
  const rows = await pMap([...mine, ...others], (run) => run(), { concurrency: 2 });
  const applied = await applyAll({ pair, home, builder, directories, made });
  await rm(work, { recursive: true, force: true });
  return { treeBytes, rows: rows.map((row) => ({ ...row, ...applied.get(row.name) })) };
}

/** One tool that breaks off leaves the others their figures, and says why it has none. */
function unlessBroken(name: string, run: () => Promise<Row>): () => Promise<Row> {
  return () => run().catch((error: unknown): Row => ({ name, left: oneLine(error) }));
}

function oneLine(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split("\n");
  const line = lines.find((each) => /Error|exited/.test(each)) ?? lines[0] ?? "";
  const cause = error instanceof Error && error.cause !== undefined ? `: ${oneLine(error.cause)}` : "";
  return `${line}${cause}`.slice(0, 300);
}

/** On the host one after the other, so that nothing else runs beside them. */
async function applyAll(
  input: PairInput & {
    readonly directories: readonly [string, string];
    readonly made: ReadonlyMap<string, PayloadFile>;
  },
): Promise<Map<string, Partial<Row>>> {
  const { pair, home, builder, directories, made } = input;
  const contract = Component.parse({
    ...{ apiVersion: "cutover/v1", kind: "Component", name: pair.name, root: `/srv/cutover/${pair.name}` },
    ...{ manager: "none", switch: { strategy: "none" } },
  });
  const publishAs = (version: string, directory: string) =>
    publish({
      ...{ directory, component: contract, version, signer, now: Date.now(), zstdLevel: 3 },
      releaseKeys: [join(home.directory, "keys", "release")],
      store: artifactWriter(join(home.directory, "artifacts")),
    });
  await publishAs("0.0.0", directories[0]);
  await builder.build(pair.name, "0.0.0");
  const found = new Map<string, Partial<Row>>();
  let number = 0;
  for (const [name, patch] of made) {
    number += 1;
    await publishAs(`0.0.${number}`, directories[1]);
    try {
      found.set(name, { apply: asMeasured(await builder.build(pair.name, `0.0.${number}`, patch)) });
    } catch (error) {
      found.set(name, { left: `not applied: ${oneLine(error)}` });
    }
  }
  return found;
}

function asMeasured({ milliseconds, peakMib }: Applied): { seconds: number; peakMib: number } {
  return { seconds: milliseconds / 1_000, peakMib };
}

function tableOf(pair: Pair, rows: readonly Row[], treeBytes: number): Table {
  const best = bestOf(rows);
  return {
    title: `(a) ${pair.name} ${pair.from} → ${pair.to}, ${rounded(treeBytes / 2 ** 20)} MiB`,
    header: ["", "KB", "of the best", "make s", "make MiB", "apply s", "apply MiB", ""],
    rows: rows.map(({ name, bytes, make, apply, left }) => [
      name,
      bytes === undefined ? undefined : rounded(bytes / 1_000),
      bytes === undefined || best === undefined ? undefined : `${Math.round((100 * bytes) / best)} %`,
      ...(make === undefined ? [undefined, undefined] : [rounded(make.seconds), Math.round(make.peakMib)]),
      ...(apply === undefined ? [undefined, undefined] : [rounded(apply.seconds, 2), Math.round(apply.peakMib)]),
      left ?? "",
    ]),
  };
}

/** The best of zstd and bsdiff, in bytes. */
function bestOf(rows: readonly Row[]): number | undefined {
  const theirs = rows.filter(
    ({ name, bytes }) => bytes !== undefined && /zstd|^bsdiff$/.test(name) && !name.startsWith("cutover"),
  );
  return theirs.length === 0 ? undefined : Math.min(...theirs.map(({ bytes = 0 }) => bytes));
}

function aimOf(pair: Pair, rows: readonly Row[]): Aim[] {
  const best = bestOf(rows);
  const bytesOf = (name: string) => rows.find((row) => row.name === name)?.bytes;
  const ours = bytesOf("cutover, best");
  if (best === undefined || ours === undefined) return [];
  const met = ours <= best * aimedAt;
  const stock = bytesOf("cutover, best, host without bsdiff");
  const got = `${rounded((100 * (ours - best)) / best)} %${stock === undefined ? "" : `, stock host ${rounded((100 * (stock - best)) / best)} %`}`;
  const winner = rows.find(({ bytes, name }) => bytes === best && !name.startsWith("cutover"))?.name;
  const more = `${winner} on one tar of everything takes ${best} bytes, ours ${ours}: ${ours - best} bytes more`;
  return [
    {
      ...{ name: `${pair.name}: bytes above the best of zstd and bsdiff`, wanted: "≤ 2 %", got, met },
      ...(met ? {} : { cause: more }),
    },
  ];
}

function nothing(reason: string): Section {
  return { id: "a", tables: [], aims: [], skipped: [reason], data: undefined };
}
