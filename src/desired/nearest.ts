// Spelling help: the known word that is closest to what somebody typed.

const SHORTEST_BEGINNING = 4;

/** The closest candidate within a third of the word's length (at least one letter), undefined when none is that close. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = levenshtein(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/**
 * The known name that somebody probably meant: the same letters in another order, which is the commonest slip and two changes of a
 * short word, else the nearest.
 */
export function meantName(typed: string, known: Iterable<string>): string | undefined {
  const sorted = (word: string): string => [...word].sort().join("");
  const names = [...known];
  return names.find((name) => sorted(name) === sorted(typed)) ?? nearest(typed, names);
}

/** For the end of a sentence that says that there is no such name; nothing where none is close. */
export function didYouMean(meant: string | undefined): string {
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}

const LONGEST_SLIP = 2;

/** Names that differ in few letters anyway, as ids of runs do: the only one that begins or ends like that, else one that is a slip away. */
export function meantId(typed: string, known: readonly string[]): string | undefined {
  const alike = known.filter(
    (id) => typed.length >= SHORTEST_BEGINNING && (id.startsWith(typed) || id.endsWith(typed)),
  );
  if (alike.length === 1) return alike[0];
  return known.find((id) => levenshtein(id, typed) <= Math.min(LONGEST_SLIP, (typed.length - 1) / 2));
}

/** The one candidate that is the beginning of the word, or that the word is the beginning of; undefined when there are none or several. */
export function onlyWithBeginning(word: string, candidates: readonly string[]): string | undefined {
  const alike = [...new Set(candidates)].filter((candidate) => {
    const [short = "", long = ""] = [word, candidate]
      .map((each) => each.toLowerCase())
      .sort((a, b) => a.length - b.length);
    return short.length >= SHORTEST_BEGINNING && long.startsWith(short);
  });
  return alike.length === 1 ? alike[0] : undefined;
}

/** Insertions, deletions and replacements that turn one word into the other. */
export function levenshtein(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
