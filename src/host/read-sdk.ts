// The task SDK as authors get it: one file of sh and one of Python, each joined from its parts by concern. Always the same bytes.
import { readFileSync } from "node:fs";

export type SdkName = "cutover.sh" | "cutover.py";

const parts = {
  "cutover.sh": ["head", "journal", "edits", "keys", "units", "way-back", "end"],
  "cutover.py": ["head", "journal", "edits", "keys", "way-back", "units", "end"],
};
/** What stands between two parts. */
const gaps = { "cutover.sh": "\n", "cutover.py": "\n\n" };

export function readSdk(name: SdkName): string {
  const extension = name.slice(name.lastIndexOf("."));
  return parts[name]
    .map((part) => readFileSync(new URL(`sdk/cutover/${part}${extension}`, import.meta.url), "utf8"))
    .join(gaps[name]);
}

/** The number in the first lines of a copy; undefined when the text is none. */
export function sdkVersion(text: string): number | undefined {
  const found = /^# cutover task SDK (\d{1,6})\b/m.exec(text.slice(0, 2_000))?.[1];
  return found === undefined ? undefined : Number(found);
}
