// `cutover grade`: a published component on a lab host of its own, switched to and fro under the meter. Leaves nothing behind.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GradeSubject } from "../../app/grade-subject.ts";
import type { PassResult } from "../../app/pass-result.ts";
import { CutoverError } from "../../errors.ts";
import type { Grade } from "../../model/grade.ts";
import type { Lab, LabHost } from "../lab.ts";
import { startLoopbackLab } from "../loopback-lab.ts";
import { type Graded, gradeOf } from "../meter/grade-of.ts";
import type { MeterSummary } from "../meter/meter-report.ts";
import { spawnMeter } from "../meter/spawn-meter.ts";
import type { Traffic } from "../meter/traffic.ts";
import { startSystemdLab } from "../systemd-lab.ts";
import { type GradeHome, type GradeServices, makeGradeHome } from "./grade-home.ts";
import { notSwitched, type SwitchSeen, switchesIn } from "./switch-seen.ts";

const ANSWERS_WITHIN_MS = 30_000;
const PER_SWITCH_SECONDS = 600;
const MOST_REQUESTS = 20_000_000;

export interface GradeRequest {
  readonly subject: GradeSubject;
  readonly switches: number;
  readonly traffic: readonly Traffic[];
  readonly ifSpoken: readonly Traffic[];
  /** Unit files by name, for manager systemd. Those with an [Install] section are enabled. */
  readonly units: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface GradeReport extends Graded {
  readonly component: string;
  readonly versions: readonly [string, string];
  readonly strategy: string;
  readonly declared: Grade | undefined;
  readonly switches: readonly SwitchSeen[];
  readonly measured: MeterSummary;
}

/** Throws `not-switched` when a switch fails or changes nothing: then there is nothing to grade. */
export async function gradeComponent(request: GradeRequest, services: GradeServices): Promise<GradeReport> {
  const directory = await mkdtemp(join(tmpdir(), "cutover-grade-"));
  try {
    const lab = await startLab(request, join(directory, "lab"));
    try {
      const [host] = lab.hosts;
      if (host === undefined) throw new Error("a lab without hosts");
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
  return whole ? startSystemdLab({ ...request, say }) : startLoopbackLab(request);
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

async function switchUnderLoad(
  request: GradeRequest,
  { home, host }: { readonly home: GradeHome; readonly host: LabHost },
): Promise<GradeReport> {
  const { subject, switches, traffic, ifSpoken, timeoutMs, signal, say } = request;
  const { contract, versions } = subject;
  const [older, newer] = versions;
  say(`installs ${contract.name} ${older}`);
  assertDone(await home.release(older, signal), older);
  const meter = spawnMeter({
    ...{ address: host.address, traffic, ifSpoken, timeoutMs },
    ...{ maxSeconds: PER_SWITCH_SECONDS * switches, maxRequests: MOST_REQUESTS },
  });
  const seen: SwitchSeen[] = [];
  try {
    await meter.answered(ANSWERS_WITHIN_MS);
    for (let turn = 1; turn <= switches; turn += 1) {
      const to = turn % 2 === 1 ? newer : older;
      const released = await home.release(to, signal);
      assertDone(released, to);
      const [one] = switchesIn(released.events, { host: host.name, component: contract.name });
      const problem = one === undefined ? "no switch is in the journal" : notSwitched(one, switchTerms(contract));
      if (one === undefined || problem !== undefined) throw failed(`switch ${turn} to ${to}`, problem ?? "");
      seen.push(one);
      say(
        `switch ${turn} of ${switches}: ${one.from} (pid ${one.oldPid}) → ${one.to} (pid ${one.newPid}), ${one.ms} ms`,
      );
    }
  } finally {
    await meter.stop().catch(() => {}); // asked for again below; a failure of the switches must stay the one that is seen
  }
  const measured = await meter.stop();
  return {
    ...{ component: contract.name, versions, strategy: contract.switch.strategy, declared: contract.grade },
    ...{ switches: seen, measured },
    ...gradeOf(measured.kinds),
  };
}

/** Under reload the main process may stay, and it is the host that must see new code run. */
function switchTerms({ switch: { strategy } }: GradeSubject["contract"]): { readonly sameProcess: boolean } {
  return { sameProcess: (strategy as string) === "reload" };
}

function assertDone({ pass }: { readonly pass: PassResult }, version: string): void {
  const [result] = pass.results;
  if (result?.outcome === "done") return;
  const state = result?.run?.state;
  const words = [...(state?.tasks ?? [])].flatMap(([id, task]) =>
    task.state === "done" ? [] : [`${id} ${task.state}: ${task.reason}: ${task.evidence}`],
  );
  const held = result?.plan.held.map(({ host, reason, evidence }) => `${host} held: ${reason}: ${evidence}`) ?? [];
  const more = [state?.reason, result?.trouble?.message, result?.error?.message, ...words, ...held];
  const evidence = more.filter((line) => line !== undefined && line !== "").join("\n");
  throw failed(`the release of ${version} ended ${result?.outcome ?? "without a result"}`, evidence);
}

function failed(what: string, evidence: string): CutoverError {
  return new CutoverError({
    code: "not-switched",
    message: `There is nothing to grade: ${what}`,
    evidence,
    impact: "The lab host is gone; your own hosts were not touched",
  });
}
