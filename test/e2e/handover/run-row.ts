// Runs one row: installs A, then N switches under load through the real product: to B, back to A, and every third one to a version
// that is not healthy and is taken back. What each switch did is read from the journal, not assumed.
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { retryVersion } from "../../../src/app/run-control.ts";
import type { SwitchSeen } from "../../../src/lab/grade/switch-seen.ts";
import { type Graded, gradeOf } from "../../../src/lab/meter/grade-of.ts";
import { makeBodyJudge } from "../../../src/lab/meter/judge-body.ts";
import { rateOf } from "../../../src/lab/meter/kind.ts";
import type { MeterSummary } from "../../../src/lab/meter/meter-report.ts";
import { sendRequest } from "../../../src/lab/meter/send-request.ts";
import { assertStopped, spawnMeter } from "../../../src/lab/meter/spawn-meter.ts";
import type { Traffic } from "../../../src/lab/meter/traffic.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { assertOutcomes } from "../../support/assert-outcome.ts";
import type { Contract } from "../../support/with-home.ts";
import type { Row, RowMeter } from "./row.ts";
import { switchesOfTurn } from "./switches-of-turn.ts";
import { type Stage, withStage } from "./with-stage.ts";

export interface RowResult extends Graded {
  readonly row: Row;
  /** The ways back of those that were taken back are among them. */
  readonly switches: readonly SwitchSeen[];
  readonly measured: MeterSummary<string>;
}

type RowWords = Pick<Row, "name" | "strategy" | "manager" | "grade" | "declares">;

const versions = { A: "1.0.0", B: "2.0.0", sick: "2.0.1-sick" } as const;
const perSwitchSeconds = 300;

export interface RowTerms {
  readonly switches: number;
  /** So many times the rate that the row, or the kind, usually has. */
  readonly rate?: number;
}

export async function runRow(row: Row, { switches, rate = 1 }: RowTerms): Promise<RowResult> {
  return withStage(row, async (stage) => {
    assertContract(row, stage.contract);
    await stage.publish(versions.A, "A");
    await stage.publish(versions.B, "B");
    if (switches >= 3) await stage.publish(versions.sick, "B", sickContract(stage.contract));
    await release(stage, versions.A, "done");
    const meter =
      row.meter?.(stage.place, rate) ??
      spawnMeter({
        address: stage.front.address,
        traffic: row.traffic(stage.place).map((traffic) => atRate(traffic, rate)),
        ...{ timeoutMs: 10_000, maxSeconds: perSwitchSeconds * switches, maxRequests: 20_000_000 },
      });
    const seen: SwitchSeen[] = [];
    try {
      await meter.answered(30_000);
      for (let turn = 1; turn <= switches && !meter.hasEnded(); turn += 1)
        seen.push(...(await takeTurn(row, stage, turn)));
    } finally {
      await stopQuietly(meter);
    }
    const measured = await meter.stop();
    assertStopped(
      measured,
      `npm run handover -- --row ${row.name} --switches ${Math.max(1, Math.floor(switches / 2))}`,
    );
    return { row, switches: seen, measured, ...gradeOf(measured.kinds) };
  });
}

function atRate(traffic: Traffic, rate: number): Traffic {
  if (traffic.kind === "sse") return traffic;
  // Few and cheap, and of fewer none would be in flight at a switch.
  const share = traffic.kind === "long" ? Math.max(1, rate) : rate;
  return { ...traffic, ratePerSecond: rateOf(traffic) * share };
}

/** One of N. Fails unless the journal shows just the switches that were wanted, and the service answers as the version that is current. */
async function takeTurn(row: Row, stage: Stage, turn: number): Promise<readonly SwitchSeen[]> {
  const place = (turn - 1) % 3;
  // The third starts from A, as the next first one does.
  const to = [versions.B, versions.A, versions.sick][place] ?? versions.A;
  const takenBack = to === versions.sick;
  if (takenBack && turn > 3) await liftQuarantine(stage);
  const events = await release(stage, to, takenBack ? "rolled-back" : "done");
  const from = place === 1 ? versions.B : versions.A;
  const seen = switchesOfTurn(events, {
    ...{ row: `${row.name}, turn ${turn}`, hosts: stage.hosts, component: stage.contract.name },
    ...{ from, to, takenBack, sameProcess: row.strategy === "reload" },
  });
  await assertAnswers(row, stage, takenBack ? from : to);
  return seen;
}

/** Its one check more can only fail. */
function sickContract(contract: Contract): Contract {
  const health = (contract.health as readonly unknown[] | undefined) ?? [];
  return { ...contract, health: [...health, { kind: "tcp", port: 1, withinSeconds: 1 }] };
}

/** What the row says of its Component document, that must say; but for a grade whose exception the row gives a reason for. */
export function assertContract(row: RowWords, contract: Contract): void {
  const { strategy } = contract.switch as { strategy?: unknown };
  const { manager, grade } = contract;
  assert.notEqual(row.declares?.grade, row.grade, `${row.name} names an exception that is none`);
  assert.deepEqual(
    { strategy, manager, grade },
    { strategy: row.strategy, manager: row.manager, grade: row.declares?.grade ?? row.grade },
    `${row.name}: what its contract says is not what the row says of it`,
  );
}

/** Pushes the version and lets a controller bring it out; returns what the journal got. */
async function release(stage: Stage, version: string, outcome: "done" | "rolled-back"): Promise<JournalEvent[]> {
  const events: JournalEvent[] = [];
  await stage.push(version);
  assertOutcomes(await stage.home.reconcile({ onEvent: (event) => events.push(event) }), outcome);
  return events;
}

async function liftQuarantine({ home, contract }: Stage): Promise<void> {
  const act = { by: "the matrix", reason: "the same sick version once more" };
  await home.withController(({ journal, clock, settings }) =>
    retryVersion({ journal, clock, settings }, { component: contract.name, version: versions.sick, ...act }),
  );
}

/** A new connection gets the current version and no other, where the row's bodies tell the version. */
async function assertAnswers(row: Row, { place, front }: Stage, version: string): Promise<void> {
  const asked = row
    .traffic(place)
    .find((one) => (one.kind === "new" || one.kind === "keep-alive") && one.body?.includes("(?<version>"));
  if (asked === undefined || !("body" in asked)) return;
  const { port, path = "/", tls = false, body } = asked;
  const agent = tls ? new TlsAgent() : new Agent();
  const request = { address: front.address, port, path, tls, agent, timeoutMs: 10_000, client: "cutover-matrix" };
  const { answer, failure } = await sendRequest(request);
  assert.ok(answer, failure?.detail);
  assert.equal(makeBodyJudge(body)(answer.body).version, version, `${row.name}: ${answer.body}`);
}

/** The summary is asked for again by whoever wants it; a failure of the row itself must stay the one that is seen. */
async function stopQuietly(meter: RowMeter): Promise<void> {
  await meter.stop().catch(() => {});
}
