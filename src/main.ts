#!/usr/bin/env node
// The process: arguments in, exit code out. The first signal asks the command to stop, the second one ends it at once.
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 11)) {
  process.stderr.write(`error: cutover needs Node.js 24.11 or newer, this is ${process.versions.node}\n`);
  process.exit(69);
}

// Half of a command's time would go into compiling. It is kept beside the code: who can write there can change the code as well,
// which is not so of a shared temporary directory. Where nobody may write, nothing is kept.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url)));
const [{ runCli }, { services }] = await Promise.all([import("./cli/cli.ts"), import("./services.ts")]);

// `npm run -s cutover` starts in the checkout; paths are meant from where the person stands.
if (process.env.npm_lifecycle_event === "cutover" && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(name === "SIGINT" ? 130 : 143);
    stop.abort(name);
  });
}
// `cutover reconcile | head`: nobody reads on, so nothing more is said. The work goes on and ends with its own exit code.
const unread = new AbortController();
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") process.exit(74);
  unread.abort();
});

process.exitCode = await runCli(process.argv.slice(2), {
  services,
  out: sinkOf(process.stdout),
  err: sinkOf(process.stderr),
  env: process.env,
  self: [process.execPath, fileURLToPath(import.meta.url)],
  signal: stop.signal,
  unread: unread.signal,
});

function sinkOf(stream: NodeJS.WriteStream) {
  return {
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns || undefined;
    },
    get rows() {
      return stream.rows || undefined;
    },
    write: (text: string) => void stream.write(text),
  };
}
