// What one task of a run cut off, as soon as the host has said it: work in flight when a drain was over, and old processes that were killed.
// Status and notes have the same by host. Pure.
import { cutsOf } from "../app/status-cuts.ts";
import type { JournalEvent } from "../model/run-event.ts";
import { cutText } from "../status/cut-text.ts";
import { type Line, styled } from "./text.ts";

/** `host-1 go/drain cut 3 in flight`; where the number could not be read, also why not. Nothing for a task that cut nothing. */
export function cutLines(event: JournalEvent): readonly Line[] {
  if (event.kind !== "task") return [];
  return [...cutsOf([event]).values()].map((cut): Line => {
    const [host = "", ...task] = event.event.task.split("/");
    const why = cut.inFlight === null ? unreadable(event.event.evidence) : "";
    return [styled("cut:", "warn"), ` ${host} ${task.join("/")}: ${cutText(cut).replace(/^cut: /, "")}${why}`];
  });
}

/** What the drain's own line says after its figures. */
function unreadable(evidence: string): string {
  const said = [...evidence.matchAll(/^in-flight=[^;\n]*; (.+)$/gm)].at(-1)?.[1];
  return said === undefined ? "" : `: ${said}`;
}
