// The meter's process: one line of JSON on stdin says what to measure, lines of JSON on stdout say what came of it. Started by
// spawn-meter.ts. It ends by itself at its bounds, on SIGTERM or SIGINT, or when its stdin ends, so that it cannot outlive its owner.
import { createInterface } from "node:readline";
import { ExitCode } from "../../errors.ts";
import { type MeterOptions, measure } from "./measure.ts";
import type { MeterLine } from "./meter-report.ts";

const stop = new AbortController();
let signalled = false;
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => {
    signalled = true;
    stop.abort();
  });
// A reader that is gone cannot be told anything.
process.stdout.on("error", () => process.exit(ExitCode.stuck));

const input = createInterface({ input: process.stdin });
input.once("close", () => stop.abort());
input.once("line", async (line) => {
  const summary = await measure(JSON.parse(line) as MeterOptions, { signal: stop.signal, print });
  print(signalled ? { ...summary, endedBy: "signal" } : summary);
  input.close();
  process.stdin.destroy();
});

function print(line: MeterLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
