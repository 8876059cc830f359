// Which published versions somebody may have meant. Pure.

/** At most three of `known`, the nearest spelling first; among equals the order of `known`. */
export function nearestVersions(wanted: string, known: readonly string[]): string[] {
  return known
    .slice(0, 1000)
    .map((version) => ({ version, distance: editDistance(wanted, version) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ version }) => version);
}

/** Levenshtein. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
