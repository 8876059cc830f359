// The result of a simulation as a page that can be committed: when, how much, and what was found.
import { writeFile } from "node:fs/promises";
import type { SimulationResult } from "../app/simulate.ts";
import { renderFailure, renderSimulated } from "./render-simulation.ts";
import { toText } from "./text.ts";

export interface SimulationReport extends SimulationResult {
  readonly firstSeed: number;
  readonly at: Date;
  readonly seconds: number;
  readonly version: string;
}

export async function saveSimulation(file: string, report: SimulationReport): Promise<void> {
  await writeFile(file, simulationPage(report));
}

/** Markdown. Pure. */
export function simulationPage({ firstSeed, at, seconds, version, failure, ...progress }: SimulationReport): string {
  const plain = { color: false, width: undefined, overflow: "wrap" } as const;
  const last = firstSeed + progress.seeds - 1;
  return [
    `# Simulation, ${at.toISOString().slice(0, 10)}`,
    "",
    `cutover ${version}, Node.js ${process.versions.node}, ended ${at.toISOString().slice(0, 19)}Z after ${seconds.toFixed(0)} s.`,
    "",
    `Seeds ${firstSeed} to ${last}. ${toText([renderSimulated(progress, seconds)], plain).join("\n")}`,
    "",
    ...(failure === undefined
      ? ["No promise was broken in any of these worlds."]
      : ["```", ...toText(renderFailure(failure), plain), "```"]),
    "",
    `Again: \`npm run simulate -- --seed ${firstSeed} --seeds ${progress.seeds}\``,
    "",
  ].join("\n");
}
