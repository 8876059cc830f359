// Why a test cannot run here, for the `skip` option of node:test. On Debian 12 as root nothing may be skipped: there the
// answer is always `false`, and what is missing shows as a failure.
import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";

/** A sentence naming what is missing, or false. */
export function skipReason(needs: {
  readonly root?: boolean;
  readonly programs?: readonly string[];
  /** Packages of that very Debian, which hosts of the systemd lab can run. */
  readonly debian12?: boolean;
}): string | false {
  const root = process.getuid?.() === 0;
  if (root && isDebian12()) return false;
  if (needs.debian12 === true && !isDebian12()) return "needs the packages of Debian 12";
  if (needs.root === true && !root) return "needs root";
  const missing = (needs.programs ?? []).filter((program) => !isInstalled(program));
  return missing.length === 0 ? false : `needs ${missing.join(", ")}`;
}

/** For a row that this kernel cannot run: the one kind of skip that is allowed everywhere. Name the row in the title. */
export function kernelLacks(feature: string, present: boolean): string | false {
  return present ? false : `the kernel has no ${feature}`;
}

function isDebian12(): boolean {
  try {
    const release = readFileSync("/etc/os-release", "utf8");
    return /^ID=debian$/m.test(release) && /^VERSION_ID="12"$/m.test(release);
  } catch {
    return false;
  }
}

function isInstalled(program: string): boolean {
  const directories = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
