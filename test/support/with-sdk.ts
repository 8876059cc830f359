// The task SDK by itself: calls as data, run as a script of sh under each shell, or of Python, in a throw-away root.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { readSdk } from "../../src/host/read-sdk.ts";
import { readTree, type TreeState } from "../../src/lab/task-test/tree-state.ts";
import { busyBoxOnly } from "./busybox-only.ts";
import { shells } from "./host-parts.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";

/** A name without `cutover_`, then arguments. `write_file` takes FILE, MODE or "", and the content. */
export type SdkCall = readonly [name: string, ...args: string[]];

export interface SdkRun {
  readonly exitCode: number;
  readonly said: string;
}

export interface SdkBench {
  readonly root: string;
  readonly state: string;
  /** A file below the root, with its directories. */
  write(path: string, content: string | Buffer, mode?: number): void;
  read(path: string): string;
  /** Everything below the root. */
  tree(): TreeState;
  run(calls: readonly SdkCall[], env?: Readonly<Record<string, string>>): SdkRun;
}

export interface SdkLanguage {
  readonly name: string;
  readonly shell?: readonly string[];
}

/** Each shell that hosts have, with that one's own tools, and Python. */
export const sdkLanguages: readonly SdkLanguage[] = [
  ...shells.map((shell) => ({ name: shell.join(" "), shell })),
  { name: "python3" },
];

export async function withSdk(language: SdkLanguage, body: (bench: SdkBench) => void | Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const [root, state, bundle] = ["root", "state", "bundle"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [root, state, bundle]) mkdirSync(path, { mode: 0o755 });
    for (const name of ["cutover.sh", "cutover.py"] as const) writeFileSync(join(bundle, name), readSdk(name));
    const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const path = language.shell?.[0] === "busybox" ? busyBoxOnly() : system;
    const at = (file: string): string => join(root, file);
    await body({
      root,
      state,
      write: (file, content, mode = 0o644) => {
        mkdirSync(dirname(at(file)), { recursive: true });
        rmSync(at(file), { force: true });
        writeFileSync(at(file), content);
        chmodSync(at(file), mode);
      },
      read: (file) => readFileSync(at(file), "latin1"),
      tree: () => readTree(root),
      run: (calls, env = {}) => {
        const script = join(bundle, "script");
        writeFileSync(script, language.shell === undefined ? pythonScript(calls) : shellScript(calls));
        const [program, ...words] = language.shell ?? ["python3"];
        const ended = spawnSync(`/usr/bin/${program}`, [...words, script], {
          cwd: "/",
          encoding: "latin1",
          env: {
            ...{ PATH: path, LC_ALL: "C", CUTOVER_PREFIX: root, CUTOVER_STATE: state, CUTOVER_ACTION: "do" },
            ...{ CUTOVER_ROOT: join(root, "srv/app"), PYTHONDONTWRITEBYTECODE: "1", ...env },
          },
        });
        const said = ended.stdout + ended.stderr;
        if (/not found$/m.test(said)) throw new Error(`the host lacks a program: ${said}`);
        return {
          exitCode: ended.status ?? 128 + (ended.signal === null ? 0 : constants.signals[ended.signal]),
          said,
        };
      },
    });
  });
}

function shellScript(calls: readonly SdkCall[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = calls.map(([name, ...args]) => {
    if (name === "raw") return args[0] ?? "";
    if (name !== "write_file") return `cutover_${name} ${args.map(quoted).join(" ")}`;
    const [file = "", mode = "", content = ""] = args;
    return `printf '%s' ${quoted(content)} >"$CUTOVER_STATE/given"\ncutover_write_file ${quoted(file)} ${mode} <"$CUTOVER_STATE/given"`;
  });
  return [`set -eu\n. "\${0%/*}/cutover.sh"`, ...lines, ""].join("\n");
}

function pythonScript(calls: readonly SdkCall[]): string {
  const lines = calls.map(([name, ...args]) => {
    if (name === "raw") return args[1] ?? "";
    const words = args.map((text) => JSON.stringify(text));
    if (name === "get") return `print(cutover.get(${words.join(", ")}))`;
    if (name === "original") return `print(cutover.original(${words.join(", ")}) or "")`;
    if (name === "make_dir") return `cutover.make_dir(${words[0]}, 0o${args[1] ?? "755"})`;
    if (name === "wait_for") return `cutover.wait_for(${args[0]}, ${words.slice(1).join(", ")})`;
    if (name !== "write_file") return `cutover.${name}(${words.join(", ")})`;
    return `cutover.write_file(${words[0]}, ${words[2]}, ${args[1] ? `0o${args[1]}` : "None"})`;
  });
  return ["import cutover", ...lines, ""].join("\n");
}
