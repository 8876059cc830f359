// The command line as a user types it, in a home of a test.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCli } from "../../src/cli/cli.ts";
import { runProgram } from "../../src/lab/run-program.ts";
import { services } from "../../src/services.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface Said {
  readonly exitCode: number;
  /** Both channels, for reading. */
  readonly text: string;
  readonly stdout: string;
  readonly ms: number;
}

export type Command = (exitCode: number | readonly number[], ...words: readonly string[]) => Promise<Said>;

type Run = (words: readonly string[]) => Promise<Pick<Said, "exitCode" | "stdout"> & { readonly stderr: string }>;

/** Runs `cutover WORD…` with this configuration, in a process of its own; anything but the expected exit code fails with what was said. */
export function cutoverCommand({ home, config }: { readonly home: string; readonly config: string }): Command {
  return expecting((words) =>
    runProgram([process.execPath, main, ...words, "-c", config], { cwd: home, timeoutMs: 300_000 }),
  );
}

/**
 * The same in the process of the test, as `serve` has many passes in one: for tests that give dozens of commands, of which each would
 * spend most of its time on loading. Paths among the words are absolute. One that does not heed its signal hangs until the file is ended.
 */
export function cutoverHere({ config }: { readonly config: string }): Command {
  return expecting(async (words) => {
    const said = { out: "", err: "" };
    const sink = (name: keyof typeof said) => ({
      isTTY: false,
      columns: undefined,
      rows: undefined,
      write(text: string) {
        said[name] += text;
      },
    });
    const exitCode = await runCli([...words, "-c", config], {
      services,
      ...{ out: sink("out"), err: sink("err"), env: process.env, self: [process.execPath, main] },
      signal: AbortSignal.timeout(300_000),
      unread: new AbortController().signal,
    });
    return { exitCode, stdout: said.out, stderr: said.err };
  });
}

function expecting(run: Run): Command {
  return async (expected, ...words) => {
    const started = performance.now();
    const { exitCode, stdout, stderr } = await run(words);
    const said = { exitCode, stdout, text: `${stdout}${stderr}`, ms: performance.now() - started };
    assert.ok(
      [expected].flat().includes(exitCode),
      `${exitCode} is not ${expected}: cutover ${words.join(" ")}: ${said.text}`,
    );
    return said;
  };
}
