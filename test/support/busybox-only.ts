// Hosts whose programs are those of BusyBox.
import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let busyBox: string | undefined;

/** A PATH on which everything but flock, which BusyBox may be built without, is a BusyBox applet: hundreds of links, laid once a process. */
export function busyBoxOnly(): string {
  if (busyBox !== undefined) return busyBox;
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "cutover-busybox-")));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const applets = execFileSync("busybox", ["--list"], { encoding: "utf8" })
    .split("\n")
    .filter((applet) => applet !== "" && applet !== "flock");
  for (const applet of applets) symlinkSync("/usr/bin/busybox", join(folder, applet));
  symlinkSync("/usr/bin/flock", join(folder, "flock"));
  busyBox = folder;
  return folder;
}
