// N switches under the meter: to the newer version, back to the older one, and every third one to a version that is not well and is
// taken back, as in the conformance matrix. What each did is read from the journal, not assumed.
import { CutoverError } from "../../errors.ts";
import type { LabHost } from "../lab.ts";
import { gradeOf } from "../meter/grade-of.ts";
import { assertStopped, spawnMeter } from "../meter/spawn-meter.ts";
import type { GradeReport, GradeRequest } from "./grade-component.ts";
import type { GradeHome, Released } from "./grade-home.ts";
import { notSwitched, type SwitchSeen, switchesIn } from "./switch-seen.ts";

const ANSWERS_WITHIN_MS = 30_000;
const PER_SWITCH_SECONDS = 600;
const MOST_REQUESTS = 20_000_000;

interface Place {
  readonly home: GradeHome;
  readonly host: LabHost;
}

/** Throws `not-switched` when a switch, or a way back, fails or changes nothing, and `meter-ended` when one was not measured. */
export async function switchUnderLoad(request: GradeRequest, place: Place): Promise<GradeReport> {
  const { subject, switches, traffic, ifSpoken, timeoutMs, maxRequests = MOST_REQUESTS, signal, say } = request;
  const { contract, versions } = subject;
  const [older] = versions;
  say(`installs ${contract.name} ${older}`);
  assertEnded(await place.home.release(older, signal), { version: older, outcome: "done" });
  const meter = spawnMeter({
    ...{ address: place.host.address, traffic, ifSpoken, timeoutMs },
    ...{ maxSeconds: PER_SWITCH_SECONDS * switches, maxRequests },
  });
  const seen: SwitchSeen[] = [];
  try {
    await meter.answered(ANSWERS_WITHIN_MS);
    for (let turn = 1; turn <= switches && !meter.hasEnded(); turn += 1) {
      const moves = await takeTurn(request, { ...place, turn });
      seen.push(...moves);
      say(`switch ${turn} of ${switches}: ${moves.map(moveText).join("; not well, as meant, so it goes back: ")}`);
    }
  } finally {
    await meter.stop().catch(() => {}); // asked for again below; a failure of the switches must stay the one that is seen
  }
  const measured = await meter.stop();
  assertStopped(measured, `cutover grade ${contract.name} --switches ${Math.max(1, Math.floor(switches / 2))}`);
  return {
    ...{ component: contract.name, versions, strategy: contract.switch.strategy, declared: contract.grade },
    ...{ switches: seen, takenBack: seen.filter(({ action }) => action === "undo").length, measured },
    ...gradeOf(measured.kinds),
  };
}

/** The third starts from the older version, as the next first one does. */
async function takeTurn(
  { subject: { contract, versions }, signal }: GradeRequest,
  { home, host, turn }: Place & { readonly turn: number },
): Promise<readonly SwitchSeen[]> {
  const [older, newer] = versions;
  const isUnwell = turn % 3 === 0;
  const [from, to] = turn % 3 === 2 ? [newer, older] : [older, newer];
  const unwell = isUnwell ? await home.releaseUnwell(signal) : undefined;
  const version = unwell?.version ?? to;
  const released = unwell ?? (await home.release(to, signal));
  assertEnded(released, { version, outcome: isUnwell ? "rolled-back" : "done" });
  const moves = switchesIn(released.events, { host: host.name, component: contract.name });
  const said = moves.map((move) => `${move.action} ${move.from} → ${move.to}`).join(", ");
  const wanted = [`do ${from} → ${version}`, ...(isUnwell ? [`undo ${version} → ${from}`] : [])].join(", ");
  // Under reload the main process may stay, and it is the host that must see new code run.
  const terms = { sameProcess: contract.switch.strategy === "reload" };
  const unmoved = moves.map((move) => notSwitched(move, terms)).find((problem) => problem !== undefined);
  const problem = said === wanted ? unmoved : `the journal has ${said || "no switch"}, and not ${wanted}`;
  if (problem !== undefined) throw failed(`switch ${turn} to ${version}`, problem);
  return moves;
}

function moveText({ from, to, oldPid, newPid, ms, killed = 0 }: SwitchSeen): string {
  const words = killed === 0 ? "" : `, ${killed === 1 ? "1 process" : `${killed} processes`} killed`;
  return `${from} (pid ${oldPid}) → ${to} (pid ${newPid}), ${ms} ms${words}`;
}

type Outcome = Released["pass"]["results"][number]["outcome"];

function assertEnded(
  { pass, events }: Released,
  { version, outcome }: { readonly version: string; readonly outcome: Outcome },
): void {
  const [result] = pass.results;
  if (result?.outcome === outcome) return;
  const state = result?.run?.state;
  // As the host said it at that moment: what comes after it, such as the way back, says less.
  const words = events.flatMap((event) => {
    if (event.kind !== "task" || event.event.state !== "failed") return [];
    const { task, action, reason, evidence } = event.event;
    return [`${action === "undo" ? "undo of " : ""}${task} failed: ${[reason, evidence].filter(Boolean).join(": ")}`];
  });
  const held = result?.plan.held.map(({ host, reason, evidence }) => `${host} held: ${reason}: ${evidence}`) ?? [];
  const more = [...words, state?.reason, result?.trouble?.message, result?.error?.message, ...held];
  const evidence = more.filter((line) => line !== undefined && line !== "").join("\n");
  const meant = outcome === "done" ? "" : `, and not ${outcome}`;
  throw failed(`the release of ${version} ended ${result?.outcome ?? "without a result"}${meant}`, evidence);
}

function failed(what: string, evidence: string): CutoverError {
  return new CutoverError({
    code: "not-switched",
    message: `There is nothing to grade: ${what}`,
    evidence,
    impact: "The lab host is gone; your own hosts were not touched",
    remedy: "mend the version or its contract and publish it under a new version, or mend the --units, and grade again",
  });
}
