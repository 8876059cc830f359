// Enrolment: one script with the operator's own credential makes a machine one of ours. Safe to repeat.
import { stringify } from "yaml";
import { CutoverError, ExitCode } from "../errors.ts";
import { readHostScript, readSideScript } from "../host/join-host-script.ts";
import { digestOf } from "../model/digest.ts";
import { Host } from "../model/fleet.ts";
import type { Trust } from "../model/trust.ts";
import type { OperatorShell } from "../ports.ts";

export interface EnrolInput {
  readonly host: { readonly name: string; readonly address: string; readonly port: number; readonly user?: string };
  readonly shell: OperatorShell;
  /** `user` is the lab without root: no account of its own, no boot guard. */
  readonly mode: "system" | "user";
  readonly stateDirectory?: string;
  /** User mode: stands before every path that a contract names. */
  readonly prefix?: string;
  readonly authorizedKeysFile?: string;
  /** Directories below which components may live, as contracts name them. */
  readonly bases: readonly string[];
  /** What `self` means in health checks; 127.0.0.1 unless given. */
  readonly serviceAddress?: string;
  /** By default what the host itself reports over the operator's connection. */
  readonly hostKeys?: readonly string[];
  readonly components: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly trust: Pick<Trust, "releaseKeys" | "threshold" | "controllerKeys">;
  /** The key that the controller logs in with. */
  readonly controllerSshKey: string;
  /** Replace another enrolment of the machine, and its host.sh. */
  readonly replace?: boolean;
}

export interface Enrolled {
  readonly entry: Host;
  /** The entry as a list item for the Fleet document. */
  readonly yaml: string;
  readonly changed: boolean;
  /** Version of host.sh that is current there. */
  readonly hostScript: string;
  readonly guard: "enabled" | "none";
}

export const systemStateDirectory = "/var/lib/cutover";

/** Throws `enrolment-failed` with what the host said. */
export async function enrolHost(input: EnrolInput): Promise<Enrolled> {
  const { exitCode, stdout, stderr } = await input.shell(enrolmentScript(input));
  if (exitCode !== 0) throw enrolmentFailed(input, exitCode, stderr);
  const report = parseReport(stdout);
  const user = input.host.user ?? report.get("user")?.[0];
  const hostKeys = input.hostKeys?.length ? input.hostKeys : (report.get("host-key") ?? []);
  const { name, address, port } = input.host;
  const entry = Host.parse({
    name,
    address,
    port,
    user,
    hostKeys,
    labels: input.labels ?? {},
    components: input.components,
  });
  return {
    entry,
    yaml: stringify([withoutDefaults(entry)], { lineWidth: 0 }),
    changed: report.get("changed")?.[0] === "yes",
    hostScript: report.get("version")?.[0] ?? "unknown",
    guard: report.get("guard")?.[0] === "enabled" ? "enabled" : "none",
  };
}

/** The inputs as quoted variables, then the script itself. */
function enrolmentScript(input: EnrolInput): string {
  const hostScript = readHostScript().trimEnd();
  const prefix = input.prefix ?? "";
  const variables = {
    E_MODE: input.mode,
    E_STATE: input.stateDirectory ?? systemStateDirectory,
    E_HOST: input.host.name,
    E_ADDRESS: input.serviceAddress ?? "",
    E_PREFIX: prefix,
    E_BASES: input.bases.map((base) => `${prefix}${base}`).join("\n"),
    E_THRESHOLD: String(input.trust.threshold),
    E_JUMP: "",
    E_RELEASE_KEYS: input.trust.releaseKeys.join("\n"),
    E_CONTROLLER_KEYS: input.trust.controllerKeys.join("\n"),
    E_SSH_KEYS: input.controllerSshKey,
    E_REVOKED: "",
    E_AUTHORIZED_KEYS: input.authorizedKeysFile ?? "",
    E_REPLACE: input.replace ? "yes" : "",
    E_HOST_SH_VERSION: digestOf(`${hostScript}\n`).slice("sha256:".length, "sha256:".length + 12),
    E_HOST_SH: hostScript,
    E_STUB: readSideScript("stub").trimEnd(),
    E_ENTER: readSideScript("enter").trimEnd(),
  };
  const preamble = Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}\n`);
  return `${preamble.join("")}${readSideScript("enrol")}`;
}

/** One sh word, whatever it holds. */
function quote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

function parseReport(stdout: string): Map<string, string[]> {
  const report = new Map<string, string[]>();
  for (const line of stdout.slice(0, 64 * 1024).split("\n")) {
    const [, key, value] = /^([a-z-]{1,32}) (.{1,4096})$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) report.set(key, [...(report.get(key) ?? []), value]);
  }
  return report;
}

/** What a person would write: defaults are left out. */
export function withoutDefaults({ port, user, labels, ...host }: Host): object {
  return {
    ...host,
    ...(port === 22 ? {} : { port }),
    ...(user === "cutover" ? {} : { user }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  };
}

function enrolmentFailed({ host }: EnrolInput, exitCode: number, stderr: string): CutoverError {
  return new CutoverError({
    code: "enrolment-failed",
    message: `Cannot enrol ${host.name} at ${host.address}:${host.port}: the script ended with ${exitCode}`,
    exitCode:
      exitCode === 69 || exitCode === 127 ? ExitCode.lacking : exitCode === 77 ? ExitCode.refused : ExitCode.stuck,
    evidence: stderr.trim().slice(-2_000) || "it said nothing",
    impact: "The machine is not usable by the controller; repeating the command is safe",
    remedy:
      exitCode === 255
        ? `check that this works: ssh -p ${host.port} root@${host.address} true`
        : "mend what the host said, and run the same command again",
  });
}
