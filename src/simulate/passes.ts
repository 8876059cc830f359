// What passes have in common, one run at a time or several side by side.
import type { Plan } from "../model/plan.ts";

/** `driving`: runs go on meanwhile; `stepping`: somebody steps through one. */
export type PassResult = "nothing-to-do" | "held" | "busy" | "driving" | "stepping";

/** How long a plan that was tried so many times waits for its next try. */
export function pauseMs(tried: number): number {
  return (pauseMinutes[Math.min(tried, pauseMinutes.length - 1)] ?? 0) * 60_000;
}

const pauseMinutes = [0, 1, 5, 15, 60];

export function movesOf({ hash, changes }: Plan): string {
  return `${hash} ${changes.map(({ host, component, from }) => `${host}/${component}/${from}`)}`;
}

/** What stays as it is until somebody does something. */
export function isAtRest({ held }: Plan): boolean {
  return held.every(({ reason }) => reason === "quarantined" || reason === "drifted" || reason === "held");
}
