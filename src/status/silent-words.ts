// What makes a run go on that waits for hosts which do not answer: the same words wherever it is told of. Pure.

/** A check drives nothing; a host that will not come back is held, so that the others can go on. */
export function nextForSilent(hosts: readonly string[]): string {
  return `cutover reconcile --once, once it answers; cutover hold ${hosts[0] ?? ""} --reason …, if it will not come back`;
}
