// P10: done means N of N hosts read back, not commands sent.
import { type History, plannedStep, runOf } from "../history.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const hostReadBack: PromiseCheck = {
  promise: "P10",
  title: "a host counts as done only when the host itself ended every task of the step as done",
  check: ({ fact, history, hosts }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "host-ended" || fact.event.outcome !== "done")
      return undefined;
    const { step: id, host } = fact.event;
    const runId = runOf(fact.event);
    const planned = history.runs.get(`${fact.disk} ${runId}`)?.steps.get(id);
    const work = planned?.work.find((each) => each.host === host)?.groups.flat() ?? [];
    const submissions = [...(hosts.get(host)?.steps.values() ?? [])]
      .filter((there) => there.run === runId && plannedStep(there.step) === id)
      .map((there) => `${host} ${runId} ${there.step}`);
    const skipped = history.runs.get(`${fact.disk} ${runId}`)?.skipped;
    for (const { kind, id: task, action } of work) {
      if (kind === "distribute" || skipped?.has(task)) continue;
      const isDone = submissions.some((key) => history.ended.get(`${key} ${task} ${action}`) === "done");
      if (!isDone) return `${host} counts as done in ${id}, but never did ${task} ${action}`;
    }
    return undefined;
  },
};

function didCommit(
  { ended }: History,
  { run, host, component }: { run: string; host: string; component: string },
): boolean {
  const task = ` ${host}/${component}/commit do`;
  return [...ended].some(
    ([key, state]) => state === "done" && key.startsWith(`${host} ${run} commit`) && key.endsWith(task),
  );
}

export const everyHost: PromiseCheck = {
  promise: "P10",
  title: "a run is done only when every host of its plan runs and committed what was planned",
  check: ({ fact, history, hosts }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "run-ended" || fact.event.outcome !== "done") return undefined;
    const run = history.runs.get(`${fact.disk} ${runOf(fact.event)}`);
    for (const { host, component, to } of run?.plan.changes ?? []) {
      if (history.tampered.has(`${host} ${component}`)) continue;
      const committed = hosts.get(host)?.components.get(component)?.committed;
      // It was, and another run went on from there before this one was read back.
      if (committed?.version !== to && !didCommit(history, { run: runOf(fact.event), host, component }))
        return `done, though ${host}/${component} has committed ${committed?.version ?? "nothing"}, not ${to}`;
    }
    return undefined;
  },
};

export const nothingLeftOn: PromiseCheck = {
  promise: "P10",
  title: "a whole run that went back has no host left on trial, confirmed or committed with what it brought",
  check: ({ fact, history, hosts }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "run-ended" || fact.event.outcome !== "rolled-back")
      return undefined;
    const id = runOf(fact.event);
    const run = history.runs.get(`${fact.disk} ${id}`);
    if (!run?.isTakenBack) return undefined;
    for (const { host, component } of run.plan.changes) {
      if (history.tampered.has(`${host} ${component}`)) continue;
      const { trial, committed } = hosts.get(host)?.components.get(component) ?? {};
      if (committed?.run === id) return `rolled back, though ${host}/${component} has committed ${committed.version}`;
      if (trial?.run === id && (trial.state === "armed" || trial.state === "confirmed"))
        return `rolled back, though ${trial.to} is ${trial.state} on ${host}/${component}`;
    }
    return undefined;
  },
};

/** What these leave on a host stays there. */
const lasting: readonly string[] = ["backup", "hook", "drain", "switch"];

export const asPlanned: PromiseCheck = {
  promise: "P10",
  title: "a run is done only when every task stands as its plan leaves it, whoever ran or undid it since",
  check: ({ fact, history }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "run-ended" || fact.event.outcome !== "done") return undefined;
    const id = runOf(fact.event);
    const run = history.runs.get(`${fact.disk} ${id}`);
    const tasks = [...(run?.steps.values() ?? [])].flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
    const left = new Map(tasks.filter(({ kind }) => lasting.includes(kind)).map((task) => [task.id, task]));
    for (const { id: task, host, action } of left.values()) {
      if (run?.skipped.has(task) || run?.leftOut.has(host)) continue;
      const last = history.last.get(`${host} ${id} ${task}`);
      if (last?.action !== action || last.state !== "done")
        return `done, though the newest of ${task} is ${last?.action ?? "nothing"} ${last?.state ?? ""}, not ${action}`;
    }
    return undefined;
  },
};

/** A way back undoes these; a switch may also have gone back by itself. */
const undone: readonly string[] = ["hook", "drain"];

export const asBefore: PromiseCheck = {
  promise: "P10",
  title: "a whole run that went back has left no task done, whoever ran it",
  check: ({ fact, history }) => {
    if (fact.kind !== "journaled" || fact.event.kind !== "run-ended" || fact.event.outcome !== "rolled-back")
      return undefined;
    const id = runOf(fact.event);
    const run = history.runs.get(`${fact.disk} ${id}`);
    if (!run?.isTakenBack) return undefined;
    // What comes with a commit that had begun stays, as that does.
    const wentOn = (step: string) =>
      [...run.sent].some((place) => plannedStep(place.slice(0, place.lastIndexOf("/"))) === step);
    const steps = [...run.steps.values()].filter((step) => step.kind !== "commit" || !wentOn(step.id));
    const tasks = steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
    for (const { id: task, host } of tasks.filter(({ kind }) => undone.includes(kind))) {
      const last = history.last.get(`${host} ${id} ${task}`);
      // What a host is at that lied about it, nobody knows.
      if (history.scenario.faults.some((fault) => fault.kind === "wrong-reply" && fault.host === host)) continue;
      if (last?.action === "do") return `rolled back, though the newest of ${task} is ${last.action} ${last.state}`;
    }
    return undefined;
  },
};
