// cutover grade COMPONENT
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { GradeSubject } from "../app/grade-subject.ts";
import { ExitCode, UsageError } from "../errors.ts";
import { isAtLeast } from "../lab/meter/grade-of.ts";
import { examples, type Options, optionalText, type Register, textList, textOption } from "./command.ts";
import { trafficOf } from "./grade-traffic.ts";
import { renderGrade } from "./render-grade.ts";

export function addGrade(program: Command, register: Register): void {
  const command = program
    .command("grade")
    .argument("<component>", "name of a component with two published versions")
    .summary("Measure what clients lose while it is switched")
    .description(
      "Bring two published versions of a component up on a lab host, switch to and fro under load, and grade what clients saw:\n" +
        "listener-safe, request-safe or stream-safe. Every third switch is to a version that fails its health check and goes back.\n" +
        "Your hosts are not touched. Exit 4 when it is below the grade it declares.",
    )
    .option(
      "--switches <number>",
      "how many: forward, back, and every third to a version that has to be taken back",
      "6",
    )
    .option("--versions <a,b>", "the two versions (default: the two newest)")
    .option("--beside <name@version...>", "other components that it needs on its host")
    .option("--units <dir>", "manager systemd: unit files for the host")
    .option("--http <[port]/path>", "where requests go (default: its first http health check; with --tcp none)")
    .option("--body <regex>", "what a right answer matches whole (default: any whole 2xx answer)")
    .option("--long <[port]/path=ms>", "requests that take that long")
    .option("--http2 <port>", "HTTP/2, over TLS with --tls (default: tried on the port of --http)")
    .option("--websocket <[port]/path>", "a path that takes WebSockets; it is sent pings")
    .option("--events <[port]/path=ms>", "server-sent events, one at least every so many ms")
    .option("--tcp <port>", "lines with a number, each answered with a line that begins with it")
    .option("--tls", "all of it over TLS; certificates are not checked")
    .option("--timeout <seconds>", "for one answer", "10")
    .addHelpText(
      "after",
      examples(
        ["cutover grade shop --switches 20", "requests to the path of its health check"],
        ["cutover grade shop --long /work?ms=400=400 --websocket /ws --events /events=200", "all that it speaks"],
        ["cutover grade api --units units/ --beside node@22.1.0 --http 8080/ --json", "under systemd, as JSON"],
      ),
    );
  register(command, async ({ output, services, configPath, signal }, { args, options }) => {
    const [{ loadGradeSubject }, { gradeComponent }] = await Promise.all([
      import("../app/grade-subject.ts"),
      import("../lab/grade/grade-component.ts"),
    ]);
    const switches = numberOf(options, "switches", 10_000);
    const timeoutMs = numberOf(options, "timeout", 3_600) * 1_000;
    const { controller, close } = await services.openController(configPath);
    const subject = await loadGradeSubject({
      ...{ configPath, controller, component: args[0] ?? "" },
      versions: (optionalText(options, "versions") ?? "").split(",").filter((version) => version !== ""),
      beside: textList(options, "beside").map(besideOf),
    }).finally(close);
    const { traffic, ifSpoken, usual } = trafficOf(options, subject.contract);
    const units = await unitsOf(optionalText(options, "units"), subject);
    if (usual !== undefined) output.print([[`asks ${usual}, its first http health check; --http names another path`]]);
    const report = await gradeComponent(
      {
        ...{ subject, signal, switches, traffic, ifSpoken, units, timeoutMs },
        say: (line) => output.print([[line]]),
      },
      services,
    );
    output.print(renderGrade(report, { usual }));
    output.document(report);
    const kept = report.declared === undefined || isAtLeast(report.grade, report.declared);
    return kept ? ExitCode.done : ExitCode.stuck;
  });
}

function besideOf(text: string): { component: string; version: string } {
  const at = text.indexOf("@");
  if (at < 1) throw new UsageError(`--beside ${text} is not NAME@VERSION`, "cutover help grade");
  return { component: text.slice(0, at), version: text.slice(at + 1) };
}

function numberOf(options: Options, name: string, most: number): number {
  const number = Number(textOption(options, name));
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw new UsageError(`--${name} is a number from 1 to ${most}`, "cutover help grade");
  return number;
}

const unitFile = /^[A-Za-z0-9:_.@-]+\.(?:service|socket|timer|path|target|mount|slice)$/;

/** Throws UsageError when a host could not run the components with these. */
async function unitsOf(directory: string | undefined, subject: GradeSubject): Promise<Record<string, string>> {
  const needed = [subject, ...subject.beside].flatMap(({ contract }) => contract.units);
  if (directory === undefined) {
    if (needed.length === 0) return {};
    throw new UsageError(
      `The lab host has no unit ${needed.join(", ")}: manager systemd needs the unit files`,
      `cutover grade ${subject.contract.name} --units DIR`,
    );
  }
  if (needed.length === 0)
    throw new UsageError(
      `${subject.contract.name} ${subject.versions[1]} names no units (manager ${subject.contract.manager}), so --units has nothing to bring`,
      `publish it with manager systemd and units, or: cutover grade ${subject.contract.name}`,
    );
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => {
    throw new UsageError(`${directory} is no directory of unit files`, "cutover help grade");
  });
  const names = entries.filter((entry) => !entry.isDirectory() && unitFile.test(entry.name)).map(({ name }) => name);
  // An instance `web@a.service` is that of the file `web@.service`.
  const missing = needed.filter((unit) => !names.includes(unit) && !names.includes(unit.replace(/@[^.]+\./, "@.")));
  if (missing.length > 0)
    throw new UsageError(
      `${directory} has no ${missing.join(", ")}, which the contract names; it has ${names.join(", ") || "no unit files"}`,
      `cutover grade ${subject.contract.name} --units DIR`,
    );
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(directory, name), "utf8")] as const)),
  );
}
