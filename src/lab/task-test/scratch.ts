// A throw-away root for one case: what stands on the host, what the task keeps, and which units run. No host and no root is needed.
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprint, readTree, type TreeEntry, type TreeState } from "./tree-state.ts";

export interface Scratch {
  /** Stands before every absolute path of the task. */
  readonly root: string;
  readonly state: string;
  readonly units: string;
  /** Where the component's backup task saves. */
  readonly backup: string;
  readonly bundle: string;
  /** Kept outside of what is saved and put back. */
  readonly own: string;
  /** Everything as before the first run. */
  reset(): void;
  /** Nothing is saved yet, and nothing is known of an earlier backup. */
  clearBackup(): void;
  /** The host is what that directory says. */
  become(directory: string): void;
  /** What stands on the host, and the units. */
  look(): TreeState;
  fingerprint(): string;
  /** A copy to come back to, by its name. */
  save(name: string): void;
  /** The same paths hold again what was saved. */
  putBack(name: string): void;
  forget(name: string): void;
}

export interface ScratchInput {
  readonly before: string | undefined;
  /** `unusual`, the default: others than those of the fixture, which git does not keep anyway. */
  readonly modes?: "unusual" | "as-given";
  readonly bundleDirectory: string;
}

/** Runs `body` and removes everything afterwards. */
export async function withScratch<T>(input: ScratchInput, body: (scratch: Scratch) => Promise<T>): Promise<T> {
  const directory = await realpath(await mkdtemp(join(await parentDirectory(), "cutover-task-")));
  try {
    return await body(makeScratch(directory, input));
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** In memory where that is possible: a task syncs often, and there it costs nothing. Containers may allow no program to run there. */
async function parentDirectory(): Promise<string> {
  const probe = await mkdtemp("/dev/shm/cutover-probe-").catch(() => undefined);
  if (probe === undefined) return tmpdir();
  try {
    writeFileSync(join(probe, "run"), "", { mode: 0o700 });
    accessSync(join(probe, "run"), constants.X_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}

function makeScratch(directory: string, { before, bundleDirectory, modes = "unusual" }: ScratchInput): Scratch {
  const [live, bundle, own] = [join(directory, "live"), join(directory, "bundle"), join(directory, "own")];
  const [root, state, units] = [join(live, "root"), join(live, "state"), join(live, "units")];
  const backup = join(live, "backup");
  const saved = (name: string): string => join(directory, `saved-${name}`);
  const clear = (): void => rmSync(live, { recursive: true, force: true });
  mkdirSync(own);
  copyBundle(bundleDirectory, bundle);
  const scratch: Scratch = {
    ...{ root, state, units, backup, bundle, own },
    reset: () => {
      clear();
      for (const path of [root, units]) mkdirSync(path, { recursive: true });
      mkdirSync(state, { mode: 0o700 });
      if (before !== undefined) copyTree(before, root, (path) => !isPlaceholder(path));
      if (modes === "unusual") makeUnusual(root);
    },
    clearBackup: () => {
      for (const path of [backup, state]) {
        rmSync(path, { recursive: true, force: true });
        mkdirSync(path, { mode: 0o700 });
      }
    },
    become: (other) => {
      rmSync(root, { recursive: true, force: true });
      copyTree(other, root, (path) => !isPlaceholder(path));
    },
    look: () => new Map([...readTree(root), ...readUnits(units)]),
    fingerprint: () => fingerprint([root, state, units, ...(existsSync(backup) ? [backup] : [])]),
    save: (name) => {
      rmSync(saved(name), { recursive: true, force: true });
      copyTree(live, saved(name));
    },
    putBack: (name) => {
      clear();
      copyTree(saved(name), live);
    },
    forget: (name) => rmSync(saved(name), { recursive: true, force: true }),
  };
  scratch.reset();
  return scratch;
}

/** What `after/` says, as a tree to compare with. */
export function readFixture(directory: string): TreeState {
  return new Map([...readTree(directory)].filter(([path]) => !isPlaceholder(path)));
}

/** The throw-away root is no part of what a task meant to write. */
export function withoutRoot(tree: TreeState, root: string): TreeState {
  const strip = (entry: TreeEntry): TreeEntry =>
    entry.content.includes(root)
      ? { ...entry, content: Buffer.from(entry.content.toString("latin1").replaceAll(root, ""), "latin1") }
      : entry;
  return new Map([...tree].map(([path, entry]) => [path, strip(entry)]));
}

function copyBundle(from: string, to: string): void {
  copyTree(from, to);
  // As hosts lay bundles.
  for (const name of readdirSync(to)) if (statSync(join(to, name)).isFile()) chmodSync(join(to, name), 0o755);
}

function copyTree(from: string, to: string, filter = (_path: string): boolean => true): void {
  cpSync(from, `${to}.new`, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true, filter });
  if (existsSync(to)) for (const name of readdirSync(`${to}.new`)) renameSync(join(`${to}.new`, name), join(to, name));
  else renameSync(`${to}.new`, to);
  rmSync(`${to}.new`, { recursive: true, force: true });
}

/** What git needs to keep an empty directory. */
function isPlaceholder(path: string): boolean {
  return /(?:^|\/)\.(?:gitkeep|keep)$/.test(path);
}

/** Modes that no task makes by chance: one that writes a file anew with the usual mode is found out when they must come back. */
function makeUnusual(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const full = join(directory, entry.name);
    if (entry.isSymbolicLink()) continue;
    if (entry.isDirectory()) makeUnusual(full);
    const executable = entry.isDirectory() || (lstatSync(full).mode & 0o100) !== 0;
    chmodSync(full, executable ? 0o750 : 0o640);
  }
}

/** Units are compared like files. One that nobody touched runs, and so does one that runs again. */
function readUnits(directory: string): TreeState {
  const stopped = [...readTree(directory)].filter(([, { content }]) => content.toString().trim() !== "active");
  return new Map(stopped.map(([name, entry]) => [`unit ${name}`, { ...entry, content: Buffer.from("stopped") }]));
}
