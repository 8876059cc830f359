// Host names for people: `web1..web4, db1`. Runs of numbers are folded, everything else is listed.

interface Numbered {
  readonly stem: string;
  readonly digits: string;
}

/** Names in natural order, runs of three or more folded. */
export function foldHosts(names: readonly string[]): string {
  const sorted = [...new Set(names)].sort(compareNaturally);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    while (end + 1 < sorted.length && follows(sorted[end] ?? "", sorted[end + 1] ?? "")) end++;
    if (end - at >= 2) {
      parts.push(`${sorted[at]}..${sorted[end]}`);
      at = end + 1;
    } else parts.push(sorted[at++] ?? "");
  }
  return parts.join(", ");
}

/** `web2` before `web10`; independent of the machine's locale. */
export function compareNaturally(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  if (left.stem !== right.stem) return left.stem < right.stem ? -1 : 1;
  const difference = Number(left.digits || -1) - Number(right.digits || -1);
  return difference !== 0 ? difference : a < b ? -1 : a > b ? 1 : 0;
}

function follows(a: string, b: string): boolean {
  const [left, right] = [split(a), split(b)];
  if (left.digits === "" || left.stem !== right.stem) return false;
  const padded = left.digits.startsWith("0") || right.digits.startsWith("0");
  return Number(right.digits) === Number(left.digits) + 1 && (!padded || left.digits.length === right.digits.length);
}

function split(name: string): Numbered {
  const digits = /[0-9]{1,9}$/.exec(name)?.[0] ?? "";
  return { stem: name.slice(0, name.length - digits.length), digits };
}
