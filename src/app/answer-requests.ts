// Rollbacks that operators asked the running `serve` for: each is begun before anything new is, goes on beside all else, and
// gets an answer.
import { CutoverError } from "../errors.ts";
import type { RunOutcome } from "../model/run-event.ts";
import type { Lease, LogPort } from "../ports.ts";
import type { Controller } from "./controller.ts";
import { remember } from "./controller-memory.ts";
import type { RunWatcher } from "./execute-run.ts";
import type { OwnTasks } from "./own-tasks.ts";
import { beginRollBack } from "./roll-back.ts";
import { openRequests, type Requested } from "./rollback-requests.ts";
import { type RollBackResult, saidOf } from "./rolled-back.ts";
import type { RunPool } from "./run-pool.ts";

export interface AnswersInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly pool: RunPool;
  readonly tasks: OwnTasks;
  readonly watcher: RunWatcher;
  readonly log: LogPort;
  readonly signal: AbortSignal;
  /** What waited for a run that was taken back may come up again. */
  readonly onAnswered: () => void;
}

interface Answer {
  readonly run: string | undefined;
  /** `refused`: nothing was done. */
  readonly outcome: RunOutcome | "waiting" | "refused";
  readonly message: string;
}

export interface Answers {
  isNew(requests: readonly Requested[]): boolean;
  /** Comes back when every request that is open now has stopped what it takes back. */
  begin(): Promise<void>;
}

export function answerRequests(input: AnswersInput): Answers {
  const { controller, pool, tasks, log, signal } = input;
  const taken = new Set<number>();
  const isNew = ({ sequence }: Requested) => !taken.has(sequence);

  const answer = async (request: number, said: Answer): Promise<void> => {
    await remember(controller, { kind: "rollback-answered", request, ...said });
    log.info("rollback-answered", { ...said });
    input.onAnswered();
  };
  const refused = (error: unknown): Answer => {
    if (signal.aborted || !(error instanceof CutoverError) || error.code === "lease-lost") throw error;
    const message = [error.message, error.evidence, error.remedy].filter(Boolean).join(": ");
    return { run: undefined, outcome: "refused", message };
  };

  const beginOne = async ({ sequence, release, by, reason, inTraffic }: Requested): Promise<void> => {
    log.info("rollback-requested", { release, by, reason });
    try {
      const { ended } = await beginRollBack({ ...input, pool, release, by, reason, inTraffic });
      tasks.own(ended.then(answerOf, refused).then((said) => answer(sequence, said)));
    } catch (error) {
      await answer(sequence, refused(error));
    }
  };
  return {
    isNew: (requests) => requests.some(isNew),
    async begin() {
      for (const request of (await openRequests(controller)).filter(isNew)) {
        taken.add(request.sequence);
        await beginOne(request);
      }
    },
  };
}

function answerOf(result: RollBackResult): Answer {
  const { outcome, reason: message } = saidOf(result);
  return { run: result.run, outcome, message };
}
