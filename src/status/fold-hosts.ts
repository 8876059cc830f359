// Host names for people: `web1..web4, db1`. Runs of numbers are folded, everything else is listed.

interface NameParts {
  readonly prefix: string;
  readonly digits: string;
  readonly suffix: string;
}

interface HostRange {
  readonly first: string;
  readonly last: string;
  readonly count: number;
}

interface FoldLimit {
  /** Ranges that are written out; what is left is counted. */
  readonly ranges: number;
}

/** Names in natural order, runs of three or more folded; past a limit `web1..web4, … and 12 more`. */
export function foldHosts(names: readonly string[], limit?: FoldLimit): string {
  const ranges = hostRanges(names);
  const shown = limit === undefined ? ranges : ranges.slice(0, limit.ranges);
  const words = shown.map(({ first, last, count }) => (count === 1 ? first : `${first}..${last}`));
  const left = ranges.slice(shown.length).reduce((sum, { count }) => sum + count, 0);
  return left === 0 ? words.join(", ") : `${words.join(", ")}, … and ${left} more`;
}

/** Lists of known names within a sentence become ranges: `switch.1 failed on web1..web300`. Other words stay as they are. */
export function foldHostsInText(text: string, known: ReadonlySet<string>): string {
  return text.replace(/[a-z0-9][a-z0-9.-]*(?:, [a-z0-9][a-z0-9.-]*){2,}/g, (list) => {
    const names = list.split(", ");
    return names.every((name) => known.has(name)) ? foldHosts(names, { ranges: 20 }) : list;
  });
}

/** Two neighbours stay two ranges: `web1, web2` is shorter to read than a range. */
function hostRanges(names: readonly string[]): HostRange[] {
  const sorted = [...new Set(names)].sort(compareNaturally);
  const ranges: HostRange[] = [];
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    while (end + 1 < sorted.length && follows(sorted[end] ?? "", sorted[end + 1] ?? "")) end++;
    if (end - at < 2) end = at;
    ranges.push({ first: sorted[at] ?? "", last: sorted[end] ?? "", count: end - at + 1 });
    at = end + 1;
  }
  return ranges;
}

/** `web2` before `web10`; independent of the machine's locale. */
function compareNaturally(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  if (left.prefix !== right.prefix) return left.prefix < right.prefix ? -1 : 1;
  if (left.suffix !== right.suffix) return left.suffix < right.suffix ? -1 : 1;
  const difference = Number(left.digits || -1) - Number(right.digits || -1);
  return difference !== 0 ? difference : a < b ? -1 : a > b ? 1 : 0;
}

function follows(a: string, b: string): boolean {
  const [left, right] = [split(a), split(b)];
  if (left.digits === "" || left.prefix !== right.prefix || left.suffix !== right.suffix) return false;
  const padded = left.digits.startsWith("0") || right.digits.startsWith("0");
  return Number(right.digits) === Number(left.digits) + 1 && (!padded || left.digits.length === right.digits.length);
}

/** The number that counts is the last one before the first dot: `web12.site3.example` is twelve. */
function split(name: string): NameParts {
  const dot = name.indexOf(".");
  const label = dot < 0 ? name : name.slice(0, dot);
  const [, prefix = name, digits = "", rest = ""] = /^(.*?)([0-9]{1,9})([^0-9]*)$/.exec(label) ?? [];
  return { prefix, digits, suffix: digits === "" ? "" : rest + name.slice(label.length) };
}
