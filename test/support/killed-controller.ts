// A controller in a process of its own that does one pass and dies with SIGKILL just before or just after one chosen
// write to its journal (F1). Arguments: settings file, number of the write (from 1), `before` or `after`.
import { withLease } from "../../src/app/controller.ts";
import { reconcile } from "../../src/app/reconcile.ts";
import { openController } from "../../src/wiring.ts";

const [config = "", write = "", side = ""] = process.argv.slice(2);
let writes = 0;

const opened = await openController(config, {
  wrapJournal: (journal) => ({
    ...journal,
    async append(events) {
      if (events.length === 0) return journal.append(events);
      const chosen = ++writes === Number(write);
      if (chosen && side === "before") await die();
      await journal.append(events);
      if (chosen) await die();
    },
  }),
});
const watcher = { onEvent: () => {}, onBytes: () => {} };
await withLease(opened.controller, { takeOver: false, signal: AbortSignal.timeout(120_000) }, (lease, signal) =>
  reconcile({ controller: opened.controller, lease, watcher, signal }),
);
await opened.close();

/** Nothing of this process runs after it. */
function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}
