// Many host names in few words: web1..web4. Pure.

interface NameParts {
  readonly name: string;
  readonly prefix: string;
  readonly digits: string;
  readonly suffix: string;
}

export interface FoldLimit {
  /** Ranges that are written out; the rest is counted. */
  readonly ranges: number;
}

/** `web1..web4, web7`; past the limit `web1..web4, … and 12 more`. Names are sorted, numbers by value. Nothing is an empty text. */
export function foldHosts(names: readonly string[], limit: FoldLimit = { ranges: 8 }): string {
  const ranges = hostRanges(names);
  const shown = ranges.slice(0, limit.ranges);
  const rest = ranges.slice(limit.ranges).reduce((sum, range) => sum + range.count, 0);
  const words = shown.map(({ first, last, count }) => (count === 1 ? first : `${first}..${last}`));
  return rest === 0 ? words.join(", ") : `${words.join(", ")}, … and ${formatCount(rest)} more`;
}

export function hostRanges(names: readonly string[]): { first: string; last: string; count: number }[] {
  const parts = [...new Set(names)].map(splitName).sort(byPlace);
  const ranges: { first: NameParts; last: NameParts; count: number }[] = [];
  for (const part of parts) {
    const range = ranges.at(-1);
    if (range && follows(range.last, part)) {
      range.last = part;
      range.count += 1;
    } else ranges.push({ first: part, last: part, count: 1 });
  }
  return ranges.map(({ first, last, count }) => ({ first: first.name, last: last.name, count }));
}

/** `12,345`: the same in every locale. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The number that counts is the last one before the first dot: web12.site3 is twelve. */
function splitName(name: string): NameParts {
  const dot = name.indexOf(".");
  const label = dot < 0 ? name : name.slice(0, dot);
  const match = /^(.*?)(\d{1,9})(\D*)$/.exec(label) ?? undefined;
  if (!match) return { name, prefix: name, digits: "", suffix: "" };
  return { name, prefix: match[1] ?? "", digits: match[2] ?? "", suffix: (match[3] ?? "") + name.slice(label.length) };
}

function follows(a: NameParts, b: NameParts): boolean {
  if (a.digits === "" || a.prefix !== b.prefix || a.suffix !== b.suffix) return false;
  if (Number(b.digits) !== Number(a.digits) + 1) return false;
  return a.digits.length === b.digits.length || !(a.digits.startsWith("0") || b.digits.startsWith("0"));
}

function byPlace(a: NameParts, b: NameParts): number {
  return (
    compare(a.prefix, b.prefix) ||
    compare(a.suffix, b.suffix) ||
    Number(a.digits) - Number(b.digits) ||
    compare(a.name, b.name)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
