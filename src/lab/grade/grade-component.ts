// `cutover grade`: a published component on a lab host of its own, switched to and fro under the meter. Leaves nothing behind.
import { randomInt } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GradeSubject } from "../../app/grade-subject.ts";
import { CutoverError } from "../../errors.ts";
import type { Grade } from "../../model/grade.ts";
import type { Lab, LabHost } from "../lab.ts";
import { startLoopbackLab } from "../loopback-lab.ts";
import type { Graded } from "../meter/grade-of.ts";
import type { MeterSummary } from "../meter/meter-report.ts";
import type { Traffic } from "../meter/traffic.ts";
import { startSystemdLab } from "../systemd-lab.ts";
import { type GradeServices, makeGradeHome } from "./grade-home.ts";
import { refuseTakenPorts } from "./refuse-taken-ports.ts";
import type { SwitchSeen } from "./switch-seen.ts";
import { switchUnderLoad } from "./switch-under-load.ts";

/** Third parts of loopback addresses that no other lab of this machine begins with. */
const subnets = { from: 100, to: 250 };

export interface GradeRequest {
  readonly subject: GradeSubject;
  readonly switches: number;
  readonly traffic: readonly Traffic[];
  readonly ifSpoken: readonly Traffic[];
  /** Unit files by name, for manager systemd. Those with an [Install] section are enabled. */
  readonly units: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Of the meter in all, 20 million unless it says otherwise: where they do not reach to the last switch, there is no grade. */
  readonly maxRequests?: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface GradeReport extends Graded {
  readonly component: string;
  readonly versions: readonly [string, string];
  readonly strategy: string;
  readonly declared: Grade | undefined;
  /** Ways back are among them, with the action `undo`. */
  readonly switches: readonly SwitchSeen[];
  /** How many of them were to a version that failed its health check and was taken back. 0: the grade says nothing about that. */
  readonly takenBack: number;
  readonly measured: MeterSummary;
}

/** Throws `port-taken`; `not-switched` when a switch fails or changes nothing, and `meter-ended` when one was not measured: then there is nothing to grade. */
export async function gradeComponent(request: GradeRequest, services: GradeServices): Promise<GradeReport> {
  const directory = await mkdtemp(join(tmpdir(), "cutover-grade-"));
  try {
    const lab = await startLab(request, join(directory, "lab"));
    try {
      const [host] = lab.hosts;
      if (host === undefined) throw new Error("a lab without hosts");
      if (host.prefix !== "") await refuseTakenPorts(request, host.address);
      await layUnits(host, request.units);
      const home = await makeGradeHome(
        { subject: request.subject, host, directory: join(directory, "home") },
        services,
      );
      return await switchUnderLoad(request, { home, host });
    } finally {
      await lab.down();
    }
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function startLab({ subject, say }: GradeRequest, directory: string): Promise<Lab> {
  const whole = [subject, ...subject.beside].some(({ contract }) => contract.manager === "systemd");
  say(whole ? "boots a Debian host with systemd" : "starts a host on a loopback address");
  const request = { directory, hosts: ["graded"] };
  return whole
    ? startSystemdLab({ ...request, say })
    : startLoopbackLab({ ...request, subnet: randomInt(subnets.from, subnets.to) });
}

async function layUnits(host: LabHost, units: GradeRequest["units"]): Promise<void> {
  const names = Object.keys(units);
  if (names.length === 0) return;
  const directory = host.pathOf("/etc/systemd/system");
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(units)) await writeFile(join(directory, name), text, { mode: 0o644 });
  const enabled = names.filter((name) => units[name]?.includes("[Install]"));
  const script = 'systemctl daemon-reload && { [ $# = 0 ] || systemctl enable "$@"; }';
  const { exitCode, stderr } = await host.run(["sh", "-c", script, "sh", ...enabled]);
  if (exitCode !== 0)
    throw new CutoverError({
      code: "units-not-enabled",
      message: "systemd does not take these units",
      evidence: stderr,
    });
}
