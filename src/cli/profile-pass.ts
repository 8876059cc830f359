// `--profile`: gathers where a pass spends its time, then writes the files and shows the tables.
import type { RunWatcher } from "../app/execute-run.ts";
import { makeTaskTimer } from "../app/profile/task-times.ts";
import { writeProfile } from "../app/profile/write-profile.ts";
import type { Profile } from "../model/profile.ts";
import type { Output } from "./output.ts";
import { renderProfile } from "./render-profile.ts";
import type { ProfiledController } from "./services.ts";

export interface PassProfile {
  /** Hears what `next` hears, and times the tasks. */
  watching(next: RunWatcher): RunWatcher;
  /** Ends the recording. The files are named after the first run of the pass, or after its time when it ran nothing. */
  write(): Promise<void>;
}

export function profilePass(
  { recorded }: Pick<ProfiledController, "recorded">,
  { output, directory }: { readonly output: Output; readonly directory: string },
): PassProfile {
  const tasks = makeTaskTimer();
  const runs = new Set<string>();
  const began = new Date();
  return {
    watching: (next) => ({
      ...next,
      onEvent(event) {
        tasks.add(event);
        if (event.stream.startsWith("run/")) runs.add(event.stream.slice("run/".length));
        next.onEvent(event);
      },
    }),
    async write() {
      const { process, calls, cpuProfile } = await recorded();
      const profile: Profile = { format: "cutover-profile/1", runs: [...runs], process, tasks: tasks.times(), calls };
      const name = profile.runs[0] ?? `pass-${began.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}`;
      const files = await writeProfile({ directory, name, cpuProfile });
      output.print(renderProfile(profile, files));
      output.jsonLine({ kind: "profile", ...profile, files });
    },
  };
}
