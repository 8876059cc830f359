// A wall clock for a host of parts that goes only when a test sets it, so that nothing depends on the minute in which a test runs.
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PartsHost } from "./host-parts.ts";
import { until } from "./until.ts";

export interface Hands {
  /** Puts the clock to a time of day, UTC. */
  set(time: string): Promise<void>;
  /** Resolves when the host has looked at the clock so often since it was set. */
  looks(times: number): Promise<void>;
}

/** From now on host.sh's `date` says the time that was set; what it works out for another moment stays real. */
export async function withHands(host: PartsHost): Promise<Hands> {
  const [hands, looked] = [join(host.base, "hands"), join(host.base, "looked")];
  const date = `date() {
	case " $* " in *" -d "*) command date "$@"; return ;; esac
	echo look >>${looked}
	command date -d "@$(cat ${hands})" "$@"
}
`;
  const script = await readFile(host.script, "utf8");
  await writeFile(
    host.script,
    script.replace(/^#!.*\n/, (line) => `${line}${date}`),
  );
  return {
    async set(time) {
      await writeFile(looked, "");
      await writeFile(`${hands}.new`, `${Date.parse(`2026-05-06T${time}Z`) / 1_000}\n`);
      await rename(`${hands}.new`, hands);
    },
    async looks(times) {
      await until(`the host to look at its clock ${times} times`, 10_000, async () => {
        return (await readFile(looked, "utf8")).split("\n").length > times;
      });
    },
  };
}
