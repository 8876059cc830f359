// The switching half of host.sh by itself: one task at a time, on a state directory that was laid out as a verified build leaves it.
// Sessions, signatures and uploads are tested elsewhere; here only what happens after them counts.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readHostScript } from "../../src/host/join-host-script.ts";
import { freePort as freeLoopbackPort } from "../../src/lab/free-port.ts";
import { busyBoxOnly } from "./busybox-only.ts";
import { endProcesses } from "./live-processes.ts";
import { shells as everyShell } from "./shells.ts";

const service = fileURLToPath(new URL("fixtures/upgrading-service.cjs", import.meta.url));
/** The whole host.sh with two more words: `task KIND ACTION` runs one task, `call FUNCTION …` one function. */
export function hostScriptWithTasks(): string {
  const more = `check_contract() { :; } # signatures are tested where there are some
case \${2-} in
	task | call)
		load_enrolment "$1"
		SELF=$0
		_word=$2
		shift 2
		if [ "$_word" = task ]; then "task_$1_$2"; else "$@"; fi
		;;
	*) main "$@" ;;
esac
`;
  return readHostScript().replace(/main "\$@"\n$/, () => more);
}

/** How host.sh is started under each shell that hosts have. */
export const shells: readonly (readonly string[])[] = everyShell.map(({ argv }) => argv);

export interface TaskResult {
  readonly exitCode: number;
  readonly reason: string;
  readonly evidence: string;
}
export interface TaskCall {
  readonly version: string;
  readonly component?: string;
  readonly run?: string;
  readonly session?: string;
  readonly step?: string;
  readonly options?: Readonly<Record<string, string>>;
}
export interface PartsHost {
  readonly state: string;
  readonly base: string;
  readonly port: number;
  /** The joined host.sh that the tasks run. */
  readonly script: string;
  /** Lays a version out as a verified build leaves it. `tree` and `bundle` name files by path; executable. */
  install(
    version: string,
    what?: {
      component?: string;
      contract?: Record<string, string>;
      tree?: Record<string, string>;
      bundle?: Record<string, string>;
    },
  ): Promise<void>;
  /** Installs the fixture service as a version, under manager process. */
  installService(
    version: string,
    behaviour?: Record<string, unknown>,
    contract?: Record<string, string>,
    tree?: Record<string, string>,
    bundle?: Record<string, string>,
  ): Promise<void>;
  task(kind: string, action: "do" | "undo", call: TaskCall): Promise<TaskResult>;
  /** Starts a task without waiting; the caller kills or awaits it. */
  start(kind: string, action: "do" | "undo", call: TaskCall): { child: ChildProcess; result: Promise<TaskResult> };
  word(...words: string[]): Promise<{ exitCode: number; stdout: string }>;
  current(component?: string): Promise<string | undefined>;
  /** armed, confirmed, reverting, reverted or none, straight from the directory. */
  trial(component?: string): Promise<string>;
  trialFile(name: string, component?: string): Promise<string>;
  pid(component?: string): Promise<number | undefined>;
}

/** Runs `body` on a fresh host under `shell`; afterwards nothing that it started lives and nothing is left on disk. */
export async function withPartsHost(shell: readonly string[], body: (host: PartsHost) => Promise<void>): Promise<void> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "cutover-parts-")));
  // A file that runs out of its time, or whose run is ended, ends in the midst of its tests: what they started must not serve on.
  const endAll = (): number => endProcesses(directory);
  process.on("exit", endAll).on("SIGTERM", exitOnSignal).on("SIGINT", exitOnSignal);
  try {
    await body(await makeHost(directory, shell));
  } finally {
    for (let round = 0; round < 500 && endAll() > 0; round++) await new Promise((done) => setTimeout(done, 20));
    process.off("exit", endAll).off("SIGTERM", exitOnSignal).off("SIGINT", exitOnSignal);
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function exitOnSignal(): void {
  process.exit(1);
}

async function makeHost(directory: string, shell: readonly string[]): Promise<PartsHost> {
  const state = join(directory, "state");
  const base = join(directory, "srv");
  const script = join(state, "host/versions/1/host.sh");
  for (const path of [dirname(script), join(state, "components"), join(state, "bundles"), base])
    await mkdir(path, { recursive: true, mode: 0o700 });
  await writeFile(
    join(state, "enrolment"),
    `address 127.0.0.1\nbase ${base}\nformat cutover-enrolment/1\nhost h1\nmode user\nthreshold 1\n`,
  );
  await writeFile(script, hostScriptWithTasks());
  const port = await freePort();
  const path = shell[0] === "busybox" ? busyBoxOnly() : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  let runs = 0;
  const run = (
    words: readonly string[],
    env: Record<string, string>,
  ): { child: ChildProcess; ended: Promise<{ exitCode: number; stdout: string }> } => {
    const [file = "sh", ...before] = shell;
    // Into a file: what a task leaves running holds a pipe open, and at the exit a pipe's last bytes may not have come yet.
    const said = join(directory, `said-${++runs}`);
    const output = openSync(said, "wx");
    const child = spawn(`/usr/bin/${file}`, [...before, script, state, ...words], {
      stdio: ["ignore", output, process.env.CUTOVER_TEST_TRACE ? "inherit" : "ignore"],
      env: { PATH: path, ...env },
    });
    closeSync(output);
    return {
      child,
      ended: new Promise((done) =>
        child.on("exit", (code) => done({ exitCode: code ?? 137, stdout: readFileSync(said, "utf8") })),
      ),
    };
  };
  let calls = 0;
  const start: PartsHost["start"] = (kind, action, call) => {
    const failFile = join(directory, `fail-${++calls}`);
    const component = call.component ?? "web";
    const { child, ended } = run(["task", kind, action], {
      T_COMPONENT: component,
      T_VERSION: call.version,
      T_RUN: call.run ?? "r1",
      T_STEP: call.step ?? "s1",
      T_SESSION: call.session ?? "session-1",
      T_ID: `h1/${component}/${kind}`,
      T_EPOCH: "1",
      T_DIR: join(state, "components", component),
      T_FAIL_FILE: failFile,
      T_OPTIONS: Object.entries(call.options ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    });
    const result = ended.then(async ({ exitCode, stdout }): Promise<TaskResult> => {
      if (exitCode === 0) return { exitCode, reason: "", evidence: stdout };
      const [, reason = "died", evidence = ""] = (await readFile(failFile, "utf8").catch(() => ""))
        .trimEnd()
        .split(" ");
      return { exitCode, reason, evidence: decodeURIComponent(evidence) };
    });
    return { child, result };
  };
  const componentPath = (component: string, ...rest: string[]): string => join(state, "components", component, ...rest);
  const trial: PartsHost["trial"] = async (component = "web") => {
    const entries = await readdir(componentPath(component, "trial")).catch(() => []);
    const states = entries.filter((entry) => ["armed", "confirmed", "reverting", "reverted"].includes(entry));
    if (states.length > 1) throw new Error(`more than one trial state: ${states.join(", ")}`);
    return states[0] ?? "none";
  };
  const host: PartsHost = {
    state,
    base,
    port,
    script,
    async install(version, { component = "web", contract = {}, tree = { "bin/app": "#!/bin/sh\n" }, bundle } = {}) {
      const root = component === "cutover-host" ? join(state, "host") : join(base, component);
      const digest = `sha256:${createHash("sha256").update(`${component} ${version}`).digest("hex")}`;
      await writeTree(join(root, "versions", version), { ...tree, ".cutover-verified": `${digest}\n` });
      const lines: Record<string, string> = {
        component,
        version,
        tree: digest,
        root,
        sequence: "1",
        floor: "0",
        "deadline.seconds": "600",
        manager: "none",
        "switch.strategy": "none",
        ...contract,
      };
      if (bundle !== undefined) {
        const hex = createHash("sha256").update(JSON.stringify(bundle)).digest("hex");
        await writeTree(join(state, "bundles", hex), { ...bundle, ".cutover-verified": `sha256:${hex}\n` });
        lines.bundle = `sha256:${hex}`;
      }
      const text = Object.entries(lines).map(
        ([key, value]) =>
          `${key} ${encodeURIComponent(value).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%3D", "=")}\n`,
      );
      await writeTree(componentPath(component, "releases", version), { release: text.sort().join("") });
      await writeTree(join(state, "offers", component, version), { release: text.join("") });
    },
    async installService(version, behaviour = {}, contract = {}, tree = {}, bundle = undefined) {
      await host.install(version, {
        ...(bundle === undefined ? {} : { bundle }),
        contract: {
          manager: "process",
          "switch.strategy": "exec",
          "switch.start": "server.cjs",
          "switch.ready-seconds": "10",
          "switch.stop-seconds": "5",
          "env.0": `PORT=${port}`,
          ...contract,
        },
        tree: {
          ...tree,
          "behaviour.json": JSON.stringify({ version, ...behaviour }),
          "server.cjs": `#!${process.execPath}\n${await readFile(service, "utf8")}`,
        },
      });
    },
    start,
    task: (kind, action, call) => start(kind, action, call).result,
    word: (...words) => run(words, {}).ended,
    async current(component = "web") {
      const root = component === "cutover-host" ? join(state, "host") : join(base, component);
      return (await readlink(join(root, "current")).catch(() => undefined))?.replace("versions/", "");
    },
    trial,
    async trialFile(name, component = "web") {
      return await readFile(componentPath(component, "trial", await trial(component), name), "utf8").catch(() => "");
    },
    async pid(component = "web") {
      const text = await readFile(componentPath(component, "pid"), "utf8").catch(() => "");
      return text === "" ? undefined : Number(text);
    },
  };
  return host;
}

async function writeTree(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
    await chmod(join(directory, path), 0o755);
  }
}

export const freePort = (): Promise<number> => freeLoopbackPort(["127.0.0.1"]);
