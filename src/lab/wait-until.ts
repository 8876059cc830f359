// Waiting for something outside this process: asks again and again until it is so, never longer than the deadline.
import { setTimeout as sleep } from "node:timers/promises";
import { CutoverError } from "../errors.ts";

/** Resolves once `condition` holds; throws `lab-timeout` naming `what`, with the evidence that `why` gathers. */
export async function waitUntil(input: {
  readonly what: string;
  readonly withinMs: number;
  readonly condition: () => Promise<boolean> | boolean;
  readonly why?: () => Promise<string> | string;
}): Promise<void> {
  const deadline = performance.now() + input.withinMs;
  for (let pauseMs = 5; !(await input.condition()); pauseMs = Math.min(pauseMs * 1.5, 100)) {
    if (performance.now() > deadline) {
      throw new CutoverError({
        code: "lab-timeout",
        message: `Waited ${input.withinMs} ms in vain: ${input.what}`,
        evidence: (await input.why?.()) ?? "",
        remedy: "cutover lab down",
      });
    }
    await sleep(pauseMs);
  }
}
