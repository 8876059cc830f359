// cutover lab up | down | demo
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import type { Lab } from "../lab/lab.ts";
import type { ProcessName } from "../lab/processes.ts";
import { type CommandContext, examples, type Options, optionalText, type Register, textList } from "./command.ts";
import { type Line, styled } from "./text.ts";
import { counted } from "./units.ts";

export function addLab(program: Command, register: Register): void {
  const lab = program.command("lab").description("Real test hosts on this machine, and the demo that runs on them");
  addDemo(lab, register);
  addUp(lab, register);
  addDown(lab, register);
}

function addDemo(lab: Command, register: Register): void {
  const command = lab
    .command("demo")
    .option("--keep", "leave it up at the end and say how to play; Ctrl-C ends it")
    .description("Four hosts behind a real sshd, real releases under load: forward, back, and through a crash")
    .addHelpText("after", examples(["cutover lab demo", "under 3 minutes; exit 0 only if all promises were seen"]));
  register(command, async ({ signal, self, output }, { options }) => {
    const { runDemo } = await import("../lab/demo/run-demo.ts");
    await runDemo({ argv: self, out: process.stdout, keep: options.keep === true, signal });
    output.document({ demo: "passed" });
    return ExitCode.done;
  });
}

function addUp(lab: Command, register: Register): void {
  const command = lab
    .command("up")
    .option("--hosts <number>", "how many", "3")
    .option("--component <name...>", "components that the printed commands enrol them for")
    .option("--fleet <file>", "Fleet document that the printed commands put them into")
    .option("--dir <dir>", "where they live (default: a new one below the temporary directory)")
    .addOption(
      new Option("--kind <kind>", "loopback needs no root; systemd boots containers").choices(["loopback", "systemd"]),
    )
    .description("Start test hosts and keep them until Ctrl-C")
    .addHelpText(
      "after",
      examples(
        ["cutover lab up --hosts 4", "four hosts on loopback addresses, each with a real sshd"],
        ["cutover lab up --kind systemd", "as root: three hosts with a systemd of their own"],
      ),
    );
  register(command, async (context, { options }) => {
    const { npmAbove } = await import("../lab/processes.ts");
    const npm = npmAbove();
    const started = await startLab(context, options);
    const { output, signal } = context;
    try {
      await writeKnownHosts(started);
      output.print([
        [styled(started.id, "strong"), ` ${counted(started.hosts.length, "host")} in ${started.directory}`],
        ...hostLines(started, enrolOptions(options)),
        ["Ctrl-C takes them down again"],
      ]);
      const { id, kind, directory, operatorKey = null, hosts } = started;
      output.jsonLine({ id, kind, directory, operatorKey, hosts });
      await toldToEnd(signal, npm);
    } finally {
      await started.down();
    }
    return ExitCode.done;
  });
}

function addDown(lab: Command, register: Register): void {
  const command = lab
    .command("down")
    .option("--all", "also labs whose owner still runs")
    .description("Remove what killed labs have left: processes, mounts, namespaces, files")
    .addHelpText("after", examples(["cutover lab down", "harmless to repeat"]));
  register(command, async ({ output }, { options }) => {
    const { takeDownLabs } = await import("../lab/take-down.ts");
    const gone = await takeDownLabs({ all: options.all === true });
    const { readRecords } = await import("../lab/lab-record.ts");
    const kept = await readRecords();
    output.print([
      ...gone.map(({ id, directory }): Line => [`${id}  ${directory}`]),
      [styled("down:", "good"), ` ${counted(gone.length, "lab")}`],
      ...kept.map(
        ({ id, directory, owner }): Line => [
          styled("still up:", "warn"),
          ` ${id}  ${directory}, which process ${owner.pid} keeps; cutover lab down --all takes it down as well`,
        ],
      ),
    ]);
    output.document({ down: gone.map(placeOf), stillUp: kept.map(placeOf) });
    return ExitCode.done;
  });
}

const placeOf = ({ id, kind, directory }: Pick<Lab, "id" | "kind" | "directory">) => ({ id, kind, directory });

/** Where the host is, and the command that enrols it. */
function hostLines({ kind, directory, operatorKey, hosts }: Lab, further: readonly string[]): Line[] {
  return hosts.flatMap((host): Line[] => {
    const local = ["--local", "--user", host.user, "--state", host.stateDirectory, "--prefix", host.prefix];
    const options =
      kind === "loopback"
        ? [...local, "--authorized-keys", host.authorizedKeysFile, "--host-key", `'${host.hostKeys[0] ?? ""}'`]
        : ["--operator-key", operatorKey ?? "", "--known-hosts", knownHostsOf(directory)];
    // Loopback hosts share one machine: each one's health checks must ask its own address.
    const self = kind === "loopback" ? ["--self", host.address] : [];
    const where = ["--address", host.address, ...self, "--port", String(host.port), "--base", host.baseDirectory, ...further]; // biome-ignore format: one line
    return [
      [styled(host.name, "strong"), `  ${host.user}@${host.address}:${host.port}`],
      [styled(`  cutover host enrol ${[host.name, ...where, ...options].join(" ")}`, "faint")],
    ];
  });
}

function enrolOptions(options: Options): string[] {
  const [components, fleet] = [textList(options, "component"), optionalText(options, "fleet")];
  return [
    ...(components.length === 0 ? [] : ["--component", ...components]),
    ...(fleet === undefined ? [] : ["--fleet", fleet]),
  ];
}

const lookMs = 1_000;

const knownHostsOf = (directory: string): string => join(directory, "known_hosts");

/** What the printed command needs: the operator has never talked to these machines before. */
async function writeKnownHosts({ directory, hosts }: Lab): Promise<void> {
  const lines = hosts.flatMap(({ address, port, hostKeys }) =>
    hostKeys.map((key) => `${port === 22 ? address : `[${address}]:${port}`} ${key}\n`),
  );
  await writeFile(knownHostsOf(directory), lines.join(""));
}

async function startLab({ output }: CommandContext, options: Options) {
  const hosts = Number(optionalText(options, "hosts"));
  if (!Number.isInteger(hosts) || hosts < 1 || hosts > 1_000)
    throw new UsageError("--hosts is a number from 1 to 1000", "cutover lab up --hosts 3");
  const directory = optionalText(options, "dir") ?? join(tmpdir(), `cutover-lab-${process.pid}`);
  if (options.kind === "systemd") {
    const { startSystemdLab } = await import("../lab/systemd-lab.ts");
    return startSystemdLab({ directory, hosts, say: (line) => output.print([[line]]) });
  }
  const { startLoopbackLab } = await import("../lab/loopback-lab.ts");
  return startLoopbackLab({ directory, hosts });
}

/** Also when the npm is gone that this was started through: who ends that one means the lab, and its signal does not come here. */
async function toldToEnd(signal: AbortSignal, npm: ProcessName | undefined): Promise<void> {
  const { isAlive } = await import("../lab/processes.ts");
  return new Promise((resolve) => {
    const alive = setInterval(() => {
      if (npm !== undefined && !isAlive(npm)) end();
    }, lookMs);
    const end = () => {
      clearInterval(alive);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
