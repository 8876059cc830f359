// Stops a script before each of its lines, so that one can look at what it has done so far: `sh -x` with a PS4 that waits, or Python's
// tracing. The lines of the SDK that it calls count too.
import { closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { runProgram } from "../run-program.ts";
import { endGroup, runTask, type TaskEnd, type TaskProcess } from "./run-task.ts";

/** How to run a script so that it can be stopped, or why that is not possible. */
export type Traced =
  | { readonly kind: "argv"; readonly argv: readonly string[] }
  | { readonly kind: "none"; readonly why: string };

// In bash, whatever sh runs it otherwise: to wait in PS4 makes dash and BusyBox forget how `x=$(…)` ended. `. "$0"` keeps the script's name.
const shellStart = 'PS4=\'$(echo >"$CUTOVER_TRACE/up"; read -r _ <"$CUTOVER_TRACE/down")+ \'; set -x; . "$0"';
const pythonStart = `
import os, runpy, sys
script = sys.argv[1]
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(script)
trace = os.environ.pop("CUTOVER_TRACE")
def wait(frame, event, _):
    if not frame.f_code.co_filename.startswith(sys.path[0] + "/"): return None
    if event == "line":
        os.write(up, b"\\n")
        os.read(down, 1)
    return wait
up, down = os.open(trace + "/up", os.O_WRONLY), os.open(trace + "/down", os.O_RDONLY)
sys.settrace(wait)
runpy.run_path(script, run_name="__main__")
`;

/** By the script's first line. `shell` replaces /bin/sh. */
export function traceable(script: string, shell: readonly string[] | undefined): Traced {
  const { interpreter, words } = shebang(script, shell);
  const name = interpreter.replace(/.*\//, "");
  if (/^(?:sh|dash|bash|ash|busybox)$/.test(name)) return shellTrace(name, words, script);
  if (/^python3?(?:\.\d+)?$/.test(name)) return { kind: "argv", argv: [...words, "-c", pythonStart, script] };
  return { kind: "none", why: name === "" ? "it is no script" : `${name} cannot be stopped at a line` };
}

function shellTrace(name: string, words: readonly string[], script: string): Traced {
  const found = (process.env.PATH ?? "/usr/bin:/bin")
    .split(":")
    .some((directory) => existsSync(join(directory, "bash")));
  if (!found) return { kind: "none", why: "bash stops a script at its lines, and it is not here" };
  const options = words.filter((word) => /^[-+]/.test(word));
  return {
    kind: "argv",
    argv: ["bash", ...(name === "bash" ? [] : ["--posix"]), ...options, "-c", shellStart, script],
  };
}

/** As the kernel would start it, but with another /bin/sh where one is given. */
export function plainArgv(script: string, shell: readonly string[] | undefined): readonly string[] {
  const { interpreter, words } = shebang(script, shell);
  return interpreter === "" || shell === undefined ? [script] : [...words, script];
}

function shebang(
  script: string,
  shell: readonly string[] | undefined,
): { interpreter: string; words: readonly string[] } {
  const line = /^#![ \t]*(\S+)[ \t]*(.*)/.exec(readFileSync(script, "latin1").slice(0, 256).split("\n")[0] ?? "");
  const [, program = "", rest = ""] = line ?? [];
  const options = rest === "" ? [] : [rest.trim()];
  if (shell !== undefined && /\/sh$/.test(program))
    return { interpreter: shell[0] ?? "", words: [...shell, ...options] };
  if (!/\/env$/.test(program)) return { interpreter: program, words: program === "" ? [] : [program, ...options] };
  const [named = "", ...more] = rest.trim().split(/[ \t]+/);
  return { interpreter: named, words: [program, named, ...more] };
}

/** Runs it to its end; `atLine` is called before each line, while it waits. What it returns decides: go on, or be killed there. */
export async function runTraced(
  task: TaskProcess,
  atLine: (line: number) => "go-on" | "kill",
): Promise<TaskEnd & { readonly lines: number }> {
  const directory = join(task.own, "trace");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  const [up, down] = [join(directory, "up"), join(directory, "down")];
  await runProgram(["mkfifo", up, down]);
  // Open for both directions: neither waits for the other side, and neither ends while the script lives.
  const flags = constants.O_RDWR | constants.O_NONBLOCK;
  const answer = openSync(down, flags);
  const ticks = new Socket({ fd: openSync(up, flags), readable: true, writable: false });
  let lines = 0;
  let group: number | undefined;
  let trouble: { readonly error: unknown } | undefined;
  ticks.on("data", (data) => {
    for (let left = data.length; left > 0; left--) {
      try {
        if (trouble === undefined && atLine(lines++) === "kill") endGroup(group);
      } catch (error) {
        trouble = { error };
        endGroup(group);
      }
      writeSync(answer, "\n");
    }
  });
  try {
    const ended = await runTask({ ...task, env: { ...task.env, CUTOVER_TRACE: directory } }, (started) => {
      group = started;
    });
    if (trouble !== undefined) throw trouble.error;
    return { ...ended, lines };
  } finally {
    ticks.destroy();
    closeSync(answer);
  }
}
