// (d) How long the planner takes for a large fleet, and how much memory. Each sample is a process of its own.
import { fileURLToPath } from "node:url";
import type { BenchInput } from "./bench-input.ts";
import { measured, median, rounded } from "./measure.ts";
import type { Aim, Section } from "./report.ts";

const child = fileURLToPath(new URL("./plan-large-fleet.ts", import.meta.url));

interface Sample {
  readonly planMs: number;
  readonly tasks: number;
  readonly planBytes: number;
  readonly peakMib: number;
}

export async function benchPlanning({ quick }: BenchInput): Promise<Section> {
  const sizes = quick ? [[500, 8]] : [[1_000, 8], [10_000, 8]]; // biome-ignore format: pairs
  const rows: (string | number)[][] = [];
  const data: object[] = [];
  const aims: Aim[] = [];
  for (const [hosts = 0, components = 0] of sizes) {
    const samples: Sample[] = [];
    for (let at = 0; at < (quick ? 1 : 3); at++) {
      const ran = await measured([process.execPath, child, String(hosts), String(components)]);
      samples.push({ ...(JSON.parse(ran.stdout) as Omit<Sample, "peakMib">), peakMib: ran.peakMib });
    }
    const of = (key: keyof Sample) => median(samples.map((sample) => sample[key]));
    rows.push([
      `${hosts} × ${components}`,
      ...[of("tasks"), `${rounded(of("planMs") / 1_000, 2)} s`, `${Math.round(of("peakMib"))} MiB`],
      `${rounded(of("planBytes") / 2 ** 20)} MiB`,
    ]);
    data.push({ hosts, components, samples, planMs: of("planMs"), peakMib: of("peakMib") });
    const name = `planning ${hosts} × ${components}`;
    const got = `${rounded(of("planMs") / 1_000, 2)} s, ${Math.round(of("peakMib"))} MiB`;
    const met = of("planMs") < 3_000 && of("peakMib") * 2 ** 20 < 500e6;
    if (hosts === 10_000) aims.push({ name, wanted: "under 3 s and 500 MB", got, met });
  }
  return {
    id: "d",
    tables: [
      {
        title: "(d) planning: the way over versions, the plan, and what may not meet on its way",
        header: ["hosts × components", "tasks", "time", "peak memory", "plan in the journal"],
        rows,
      },
    ],
    aims,
    skipped: [],
    data,
  };
}
