// The task SDK as authors get it: cutover.sh, joined from its parts, and cutover.py. Always the same bytes.
import { readFileSync } from "node:fs";

export type SdkName = "cutover.sh" | "cutover.py";

const parts = ["head", "journal", "edits", "keys", "units", "way-back", "end"];

export function readSdk(name: SdkName): string {
  if (name === "cutover.py") return read("cutover.py");
  return parts.map((part) => read(`cutover/${part}.sh`)).join("\n");
}

/** The number in the first lines of a copy; undefined when the text is none. */
export function sdkVersion(text: string): number | undefined {
  const found = /^# cutover task SDK (\d{1,6})\b/m.exec(text.slice(0, 2_000))?.[1];
  return found === undefined ? undefined : Number(found);
}

function read(path: string): string {
  return readFileSync(new URL(`sdk/${path}`, import.meta.url), "utf8");
}
