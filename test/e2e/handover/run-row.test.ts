// What a row is held to beside its grade: its contract, and the journal of every host.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { loadRows } from "./load-rows.ts";
import { assertContract } from "./run-row.ts";
import { switchesOfTurn, type Turn } from "./switches-of-turn.ts";
import { atEveryPush } from "./test-rows.ts";

test("a row must promise what its contract declares, unless it names the exception", () => {
  const row = { name: "web-exec", strategy: "exec", manager: "process", grade: "request-safe" } as const;
  const contract = { name: "web", manager: "process", switch: { strategy: "exec" }, grade: "request-safe" };
  assertContract(row, contract);
  for (const other of ["listener-safe", "stream-safe", undefined])
    assert.throws(
      () => assertContract(row, { ...contract, grade: other }),
      /what its contract says is not/,
      String(other),
    );
  assert.throws(
    () => assertContract(row, { ...contract, switch: { strategy: "restart" } }),
    /what its contract says is not/,
  );
  const declares = { grade: "request-safe", because: "clients send it again" } as const;
  assertContract({ ...row, grade: "listener-safe", declares }, contract);
  assert.throws(() => assertContract({ ...row, declares }, contract), /names an exception/);
});

test("an exception has its reason, and is one", async () => {
  for (const { name, grade, declares } of await loadRows())
    if (declares !== undefined) assert.ok(declares.grade !== grade && declares.because.length > 20, name);
});

test("each strategy, and each manager, has a row at every push", async () => {
  const rows = await loadRows();
  const pushed = rows.filter(({ name }) => atEveryPush.includes(name));
  assert.equal(pushed.length, atEveryPush.length, "each name is a row's");
  for (const what of ["strategy", "manager"] as const)
    assert.deepEqual(new Set(pushed.map((row) => row[what])), new Set(rows.map((row) => row[what])));
});

const turn: Turn = {
  ...{ row: "web-balancer", hosts: ["web-1", "web-2"], component: "web" },
  ...{ from: "1", to: "2", takenBack: false, sameProcess: false },
};

function switched(host: string, action: "do" | "undo", evidence: string): JournalEvent {
  const event = { task: `${host}/web/switch`, action, state: "done", durationMs: 1, exitCode: 0, reason: "", evidence };
  return { kind: "task", stream: "run/r", sequence: 1, at: 0, step: "switch.1", host, event } as JournalEvent;
}

test("every host of a row has to switch, not the first one alone, and each of them really", () => {
  const first = switched("web-1", "do", "old-pid=1 new-pid=2 from=1 to=2");
  const second = switched("web-2", "do", "old-pid=3 new-pid=4 from=1 to=2");
  assert.equal(switchesOfTurn([first, second], turn).length, 2);
  assert.throws(() => switchesOfTurn([first], turn), /journal of web-2/);
  const same = switched("web-2", "do", "old-pid=3 new-pid=3 from=1 to=2");
  assert.throws(() => switchesOfTurn([first, same], turn), /the process is the same/);
});

test("a version that is taken back has to come off every host that had it; no host may keep it", () => {
  const back = { ...turn, takenBack: true };
  const [to, undone] = ["old-pid=1 new-pid=2 from=1 to=2", "old-pid=2 new-pid=3 from=2 to=1"];
  const first = [switched("web-1", "do", to), switched("web-1", "undo", undone)];
  assert.equal(switchesOfTurn(first, back).length, 2, "the second host never had it");
  assert.throws(() => switchesOfTurn([...first, switched("web-2", "do", to)], back), /journal of web-2/);
  assert.throws(() => switchesOfTurn([], back), /no host switched/);
});
