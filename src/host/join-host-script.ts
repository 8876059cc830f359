// host.sh is kept as parts by concern and published as one file. This joins them, always in the same order.
import { readdirSync, readFileSync } from "node:fs";

const before = [
  ...[
    "lib",
    "key-values",
    "trust",
    "grammar",
    "receive",
    "build",
    "unpack",
    "patch",
    "patch-index",
    "lay-tree",
    "verify-tree",
  ],
  ...["probe", "check", "runner", "events"],
].map((name) => `${name}.sh`);
const after = ["session.sh", "main.sh"];
/** Scripts of their own, which enrolment writes beside host.sh. */
const apart = ["stub.sh", "enter.sh", "enrol.sh"];
const folder = new URL("./", import.meta.url);

/** The text of host.sh. Functions only, but for constants and the last line: the order matters to readers, not to the shell. */
export function readHostScript(): string {
  return hostScriptParts()
    .map((part) => readFileSync(new URL(part, folder), "utf8").trimEnd())
    .join("\n\n")
    .concat("\n");
}

/** The parts in joining order, relative to this folder. */
export function hostScriptParts(): string[] {
  const named = new Set([...before, ...after, ...apart]);
  const others = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".sh") && !path.startsWith("sdk/") && !named.has(path))
    .sort();
  return [...before, ...others, ...after];
}

/** The text of one of the scripts that stay apart from host.sh. */
export function readSideScript(name: "stub" | "enter" | "enrol"): string {
  return readFileSync(new URL(`${name}.sh`, folder), "utf8");
}
