/** What a shell says of a child that a signal ended, which is how the task SDK ends a task: the reason stands above. */
const shellsWord = /^(.*: line \d+: +\d+ )?Terminated( {2,}.*)?$/;

/** The line of a task's evidence that mostly says why: the last one that is not the shell's word. */
export function lastWord(evidence: string): string {
  const lines = evidence.trimEnd().split(/\r?\n/);
  return lines.findLast((line) => line.trim() !== "" && !shellsWord.test(line)) ?? lines.at(-1) ?? "";
}
