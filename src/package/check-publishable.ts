// What a contract promises about its tree and its task bundle has to be true before it is signed. Pure.
import { CutoverError } from "../errors.ts";
import type { Component } from "../model/component.ts";
import type { ManifestEntry } from "./manifest.ts";

/** Throws `contract-not-met` when `start` is not an executable of the tree or a task names a file that the bundle lacks. */
export function checkPublishable(
  contract: Component,
  tree: readonly ManifestEntry[],
  bundle: readonly ManifestEntry[],
): void {
  const { start } = contract.switch;
  if (start !== undefined) {
    const found = tree.find(({ path }) => path === start);
    if (found === undefined) throw notMet(contract, `switch.start is ${start}, but the tree has no such file`);
    if (found.kind === "file" && (found.mode & 0o100) === 0)
      throw notMet(contract, `switch.start is ${start}, but it is not executable`);
    if (found.kind === "directory") throw notMet(contract, `switch.start is ${start}, but that is a directory`);
  }
  const files = bundle.map(({ path }) => path);
  for (const task of contract.tasks) {
    for (const file of [task.do, task.undo]) {
      if (file === undefined || files.includes(file)) continue;
      throw notMet(
        contract,
        `task ${task.name} runs ${file}, but the task bundle holds ${files.join(", ") || "nothing"}`,
      );
    }
  }
}

/** The entries of a task bundle: flat regular files, all executable. Throws `unsafe-bundle` on anything else. */
export function bundleEntries(entries: readonly ManifestEntry[]): ManifestEntry[] {
  return entries.map((entry) => {
    if (entry.kind === "file") return { ...entry, mode: 0o755 };
    throw new CutoverError({
      code: "unsafe-bundle",
      message: `${entry.path} in the task bundle is a ${entry.kind}; a bundle holds plain files only`,
      impact: "Nothing was published",
    });
  });
}

function notMet(contract: Component, problem: string): CutoverError {
  return new CutoverError({
    code: "contract-not-met",
    message: `Component ${contract.name}: ${problem}`,
    impact: "Nothing was published",
    remedy: "mend the component file or the directory, then publish again",
  });
}
