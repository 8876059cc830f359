// Where hints come from: the refs of a local bare repository, a poll of a remote one, and cron.
import { join } from "node:path";
import { watch } from "chokidar";
import { schedule } from "node-cron";
import type { Trigger } from "../ports.ts";

/** Fires when a ref of the bare repository at `path` changes, loose or packed. A watch that breaks later is told of; polling goes on beside it. */
export function watchRefs(path: string, onTrouble: (error: unknown) => void): Trigger {
  return async (onHint) => {
    const watcher = watch([join(path, "refs", "heads"), join(path, "packed-refs")], {
      ignoreInitial: true,
      ignored: (file) => file.endsWith(".lock"),
    });
    watcher.on("all", () => onHint("push"));
    // It stays for good: an error event that nobody listens to would end the process.
    watcher.on("error", onTrouble);
    await new Promise<void>((resolve, reject) => {
      watcher.once("ready", resolve);
      watcher.once("error", reject);
    }).catch(async (error: unknown) => {
      await watcher.close();
      throw error;
    });
    return () => watcher.close();
  };
}

/** Fires every `everyMs`; hints that come during a pass are merged, so a slow pass is not overrun. */
export function poll(everyMs: number): Trigger {
  return async (onHint) => {
    const timer = setInterval(() => onHint("poll"), everyMs);
    return async () => clearInterval(timer);
  };
}

/** Fires on a cron expression in the machine's time zone. */
export function cron(expression: string): Trigger {
  return async (onHint) => {
    const task = schedule(expression, () => onHint("cron"), { noOverlap: true });
    return async () => void (await task.destroy());
  };
}
