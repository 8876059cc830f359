// The command line as a user types it, in a process of its own, in a home of a test.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../src/lab/run-program.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface Said {
  readonly exitCode: number;
  /** Both channels, for reading. */
  readonly text: string;
  readonly stdout: string;
  readonly ms: number;
}

export type Command = (exitCode: number | readonly number[], ...words: readonly string[]) => Promise<Said>;

/** Runs `cutover WORD…` with this configuration; anything but the expected exit code fails with what was said. */
export function cutoverCommand({ home, config }: { readonly home: string; readonly config: string }): Command {
  return async (expected, ...words) => {
    const started = performance.now();
    const argv = [process.execPath, main, ...words, "-c", config];
    const { exitCode, stdout, stderr } = await runProgram(argv, { cwd: home, timeoutMs: 300_000 });
    const said = { exitCode, stdout, text: `${stdout}${stderr}`, ms: performance.now() - started };
    assert.ok(
      [expected].flat().includes(exitCode),
      `${exitCode} is not ${expected}: cutover ${words.join(" ")}: ${said.text}`,
    );
    return said;
  };
}
