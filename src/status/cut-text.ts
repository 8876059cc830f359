// What a switch cut off, in words. Pure.
import type { Cut } from "../model/status.ts";

/** `cut: 3 in flight, 1 process killed`; empty when nothing was. */
export function cutText(cut: Cut | undefined): string {
  if (cut === undefined) return "";
  const { inFlight, killed } = cut;
  const parts = [
    ...(inFlight === 0 ? [] : [`${inFlight ?? "an unknown number"} in flight`]),
    ...(killed === 0 ? [] : [`${killed} ${killed === 1 ? "process" : "processes"} killed`]),
  ];
  return parts.length === 0 ? "" : `cut: ${parts.join(", ")}`;
}
