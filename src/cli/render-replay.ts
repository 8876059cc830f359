// A task of a run beside its replay: what it was given, how it ended there, how it ends here. Pure.
import type { CapturedTask } from "../app/replay-task.ts";
import type { Replayed } from "../lab/task-test/replay.ts";
import { type Line, styled } from "./text.ts";

export function renderReplay(captured: CapturedTask, replayed: readonly Replayed[]): Line[] {
  const { run, host, version, from, contract, task, bundle, content, recorded } = captured;
  const given = `${contract.name} ${version} on ${host}, run ${run}: from ${from ?? "nothing"}, bundle ${bundle.slice(0, 19)}`;
  return [
    [styled(task.name, "strong"), ` of ${given}`],
    ...(content === "as-it-was"
      ? []
      : [[styled("look", "warn"), " the version was published again since: this is its bundle of today"] as Line]),
    ...(recorded === undefined
      ? [[styled("there", "faint"), "  it did not end"] as Line]
      : said(`there ${recorded.action}`, recorded.state === "done", { ...recorded, said: recorded.evidence })),
    ...replayed.flatMap(({ action, changes, ...end }) => [
      ...said(`here  ${action}`, end.exitCode === 0, end),
      ...changes.map((line): Line => [`    ${line}`]),
    ]),
  ];
}

function said(
  where: string,
  well: boolean,
  end: { readonly exitCode: number; readonly durationMs: number; readonly said: string },
): Line[] {
  const outcome = well ? styled("done", "good") : styled(`failed, exit ${end.exitCode}`, "bad");
  const lines = end.said.trimEnd().split("\n").filter((line) => line !== "").slice(-20); // biome-ignore format: one line
  return [
    [styled(where, "faint"), "  ", outcome, ` in ${end.durationMs} ms`],
    ...lines.map((line): Line => [`    | ${line}`]),
  ];
}
