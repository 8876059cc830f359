// The task SDK beside the scripts that use it. It is copied, not added on the way: a bundle is what stands in its directory, so the same
// directory has the same digest with every release of cutover, and a reviewer sees in git what a host will run.
import { chmod, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CutoverError, UsageError } from "../errors.ts";
import { readSdk, type SdkName, sdkVersion } from "../host/read-sdk.ts";

/** `edited`: of this SDK's number, with other bytes. `newer`: copied by a later cutover, left alone. */
export type SdkCopyState = "current" | "missing" | "older" | "newer" | "edited";

export interface SdkCopy {
  readonly file: SdkName;
  readonly state: SdkCopyState;
  /** That it was written now. */
  readonly written: boolean;
}

export interface CopySdkInput {
  /** A component's directory, or its `tasks/`. */
  readonly directory: string;
  /** Also where no script uses it yet. */
  readonly wanted: readonly SdkName[];
  /** `check` changes nothing. */
  readonly mode: "copy" | "check";
}

/** Both files that a script uses, that were asked for, or that stand there already. Throws UsageError when there is no tasks directory. */
export async function copyTaskSdk({ directory, wanted, mode }: CopySdkInput): Promise<SdkCopy[]> {
  if (mode === "copy" && wanted.length > 0) await makeTasks(directory);
  const tasks = await tasksDirectory(directory);
  const used = await usedSdk(tasks);
  const copies: SdkCopy[] = [];
  for (const file of ["cutover.sh", "cutover.py"] as const) {
    const present = await readFile(join(tasks, file), "utf8").catch(() => undefined);
    if (present === undefined && !used.has(file) && !wanted.includes(file)) continue;
    const state = sdkCopyState(file, present);
    const written = mode === "copy" && state !== "current" && state !== "newer";
    if (written) await writeExecutable(join(tasks, file), readSdk(file));
    copies.push({ file, state, written });
  }
  return copies;
}

/** Throws `contract-not-met` when a script uses the SDK and no copy of it would travel with the bundle. */
export async function refuseMissingSdk(tasks: string): Promise<void> {
  for (const file of await usedSdk(tasks)) {
    if ((await stat(join(tasks, file)).catch(() => undefined))?.isFile()) continue;
    throw new CutoverError({
      code: "contract-not-met",
      message: `A script in ${tasks} uses ${file}, which is not there`,
      impact: "Nothing was published",
      remedy: `cutover task sdk ${tasks}`,
    });
  }
}

/** What is larger is no script. */
const maxScriptBytes = 1024 * 1024;

/** What the scripts of a tasks directory say that they use. */
export async function usedSdk(tasks: string): Promise<ReadonlySet<SdkName>> {
  const used = new Set<SdkName>();
  for (const entry of await readdir(tasks, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "cutover.sh" || entry.name === "cutover.py") continue;
    const path = join(tasks, entry.name);
    if ((await stat(path)).size > maxScriptBytes) continue;
    const text = await readFile(path, "utf8");
    if (/^[ \t]*\. .*\/cutover\.sh/m.test(text)) used.add("cutover.sh");
    if (/^[ \t]*(?:import|from)[ \t]+cutover\b/m.test(text)) used.add("cutover.py");
  }
  return used;
}

function sdkCopyState(file: SdkName, present: string | undefined): SdkCopyState {
  const ours = readSdk(file);
  if (present === undefined) return "missing";
  if (present === ours) return "current";
  const [theirs = 0, mine = 0] = [sdkVersion(present), sdkVersion(ours)];
  if (theirs === mine) return "edited";
  return theirs < mine ? "older" : "newer";
}

/** For the first script of a component. */
async function makeTasks(directory: string): Promise<void> {
  const isComponent = (await stat(join(directory, "component.yaml")).catch(() => undefined))?.isFile() === true;
  if (isComponent) await mkdir(join(directory, "tasks"), { recursive: true });
}

async function tasksDirectory(directory: string): Promise<string> {
  for (const candidate of [join(directory, "tasks"), directory]) {
    const found = await stat(candidate).catch(() => undefined);
    const isTasks = candidate !== directory || /(?:^|\/)tasks\/*$/.test(directory);
    if (found?.isDirectory() && isTasks) return candidate;
  }
  throw new UsageError(`${directory} has no directory tasks/`, "cutover help task sdk");
}

async function writeExecutable(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await chmod(`${path}.new`, 0o755);
  await rename(`${path}.new`, path);
}
