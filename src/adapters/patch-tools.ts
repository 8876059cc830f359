// The encoders of patches: `zstd` and `bsdiff`, with constant argv, a deadline, and the child ended with the signal.
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { CutoverError } from "../errors.ts";
import type { PatchTool, PatchToolPort } from "../ports.ts";

const tools: readonly PatchTool[] = ["zstd", "bsdiff"];
/** bsdiff needs about a second a MB, zstd at its best less; a loaded machine several times that. */
const shortestDeadlineMs = 120_000;
const deadlineMsPerByte = 0.02;
const maxStderrBytes = 4096;

/** `path` is where programs are looked for; by default that of this process. */
export function patchTools({ path = process.env.PATH ?? "" }: { readonly path?: string } = {}): PatchToolPort {
  let found: Promise<PatchTool[]> | undefined;
  return {
    installed() {
      found ??= findTools(path);
      return found;
    },
    async zstd({ input, output, reference, level, windowLog, onRead, signal }) {
      const { size } = await stat(input);
      // Read from standard input: how much was taken is the one progress that zstd shows.
      const args = [
        ...["-q", "-f", "--ultra", `-${level}`, "--single-thread", "--no-check", `--stream-size=${size}`],
        ...(reference === undefined ? [] : [`--patch-from=${reference}`]),
        ...[`--long=${windowLog}`, "-o", output, "-"],
      ];
      await run("zstd", { args, path, input, output, size, onRead, signal });
    },
    async bsdiff({ reference, input, output, signal }) {
      const size = (await stat(reference)).size + (await stat(input)).size;
      await run("bsdiff", { args: [reference, input, output], path, output, size, signal });
    },
  };
}

interface Call {
  readonly args: readonly string[];
  readonly path: string;
  readonly output: string;
  /** Bytes to work on; the deadline grows with them. */
  readonly size: number;
  /** Streamed to standard input. */
  readonly input?: string;
  readonly onRead?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function run(program: PatchTool, call: Call): Promise<void> {
  call.signal?.throwIfAborted();
  try {
    const { code, stderr } = await ended(program, call);
    call.signal?.throwIfAborted();
    if (code !== 0) throw failed(program, code === null ? "it was ended, or took too long" : `exit ${code}: ${stderr}`);
  } catch (error) {
    await rm(call.output, { force: true });
    throw error;
  }
}

function ended(program: PatchTool, call: Call): Promise<{ code: number | null; stderr: string }> {
  const { args, path, size, input, onRead, signal } = call;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["pipe", "ignore", "pipe"],
      env: { PATH: path, LC_ALL: "C" },
      timeout: Math.ceil(shortestDeadlineMs + size * deadlineMsPerByte),
      killSignal: "SIGKILL",
    });
    const onAbort = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", onAbort, { once: true });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(0, maxStderrBytes);
    });
    child.stdin.on("error", () => undefined); // it may end before it has read everything; its exit code says why
    if (input === undefined) child.stdin.end();
    else {
      let bytes = 0;
      const file = createReadStream(input, { highWaterMark: 1 << 20 });
      file.on("data", (chunk) => {
        bytes += chunk.length;
        onRead?.(bytes);
      });
      file.on("error", (error) => {
        child.kill("SIGKILL");
        reject(error);
      });
      file.pipe(child.stdin);
      child.once("close", () => file.destroy());
    }
    child.once("error", (cause) => reject(failed(program, cause.message)));
    child.once("close", (code) => {
      signal?.removeEventListener("abort", onAbort);
      resolve({ code, stderr: stderr.trim() });
    });
  });
}

async function findTools(path: string): Promise<PatchTool[]> {
  const there = await Promise.all(
    tools.map(async (tool) => {
      for (const directory of path.split(delimiter).filter((each) => each !== "")) {
        const isFile = await stat(join(directory, tool)).then(
          (found) => found.isFile() && (found.mode & 0o111) !== 0,
          () => false,
        );
        if (isFile) return [tool];
      }
      return [];
    }),
  );
  return there.flat();
}

function failed(program: PatchTool, evidence: string): CutoverError {
  return new CutoverError({
    code: "patch-tool-failed",
    message: `${program} could not make a patch`,
    evidence,
    impact: "No patch is made with it; full artifacts are sent instead",
  });
}
