// The load generator's process: arguments in, a JSON line a second and a final summary out on stdout. Started by
// spawn-load.ts. It ends by itself (--max-seconds, --max-requests), on SIGTERM or SIGINT, or when its stdin ends, so that it
// cannot outlive the demo that started it.
import { parseArgs } from "node:util";
import { ExitCode } from "../../errors.ts";
import { generateLoad, type LoadTarget } from "./generate-load.ts";
import type { LoadLine } from "./load-report.ts";

const usage =
  "load-generator --target NAME=ADDRESS:PORT … [--path /] [--rate 400] [--keep-alive 0.2] [--timeout-ms 2000] [--max-requests 200000] [--max-seconds 600]";

const { values } = parseArgs({
  options: {
    target: { type: "string", multiple: true, default: [] },
    path: { type: "string", default: "/" },
    rate: { type: "string", default: "400" },
    "keep-alive": { type: "string", default: "0.2" },
    "timeout-ms": { type: "string", default: "2000" },
    "max-requests": { type: "string", default: "200000" },
    "max-seconds": { type: "string", default: "600" },
  },
});

const targets = values.target.map(parseTarget);
if (targets.length === 0) refuse("no --target");

const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
process.on("SIGINT", () => stop.abort());
process.stdin.on("end", () => stop.abort());
process.stdin.on("error", () => stop.abort());
process.stdin.resume();
// A reader that is gone cannot be told anything.
process.stdout.on("error", () => process.exit(ExitCode.stuck));

print(
  await generateLoad({
    targets,
    path: values.path,
    ratePerSecond: positive("rate", values.rate),
    keepAliveShare: share("keep-alive", values["keep-alive"]),
    timeoutMs: positive("timeout-ms", values["timeout-ms"]),
    maxRequests: positive("max-requests", values["max-requests"]),
    maxSeconds: positive("max-seconds", values["max-seconds"]),
    signal: stop.signal,
    onSecond: print,
  }),
);
process.stdin.destroy();

function print(line: LoadLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function parseTarget(text: string): LoadTarget {
  const match = /^([^=]+)=(.+):(\d+)$/.exec(text);
  if (match === null) return refuse(`--target ${text} is not NAME=ADDRESS:PORT`);
  const [, name = "", address = "", port] = match;
  return { name, address, port: Number(port) };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  return value > 0 && Number.isFinite(value) ? value : refuse(`--${name} ${text} is not a positive number`);
}

function share(name: string, text: string): number {
  const value = Number(text);
  return value >= 0 && value <= 1 ? value : refuse(`--${name} ${text} is not between 0 and 1`);
}

function refuse(problem: string): never {
  process.stderr.write(`${problem}\n${usage}\n`);
  process.exit(ExitCode.usage);
}
