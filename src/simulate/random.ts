// Numbers that look random and follow from a seed alone: xoshiro128** (Blackman, Vigna 2018), seeded by hashing words.

export interface Random {
  /** 0 ≤ n < limit, whole. */
  below(limit: number): number;
  /** 0 ≤ x < 1. */
  fraction(): number;
  /** True in one of `oneIn` cases. */
  chance(oneIn: number): boolean;
  pick<T>(items: readonly [T, ...T[]]): T;
}

/** The same words give the same numbers; another word gives others, so that one source does not shift what another draws. */
export function makeRandom(...words: readonly (string | number)[]): Random {
  let [a, b, c, d] = seedOf(words.join("\0"));
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  const fraction = () => next() / 2 ** 32;
  const below = (limit: number) => Math.floor(fraction() * limit);
  return {
    below,
    fraction,
    chance: (oneIn) => below(oneIn) === 0,
    pick: (items) => items[below(items.length)] ?? items[0],
  };
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

/** Four words of state, never all zero: cyrb128, a public-domain mixer of strings. */
function seedOf(text: string): [number, number, number, number] {
  let [h1, h2, h3, h4] = [1779033703, 3144134277, 1013904242, 2773480762];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    h1 = h2 ^ Math.imul(h1 ^ code, 597399067);
    h2 = h3 ^ Math.imul(h2 ^ code, 2869860233);
    h3 = h4 ^ Math.imul(h3 ^ code, 951274213);
    h4 = h1 ^ Math.imul(h4 ^ code, 2716044179);
  }
  h1 = Math.imul(h3 ^ (h1 >>> 18), 597399067);
  h2 = Math.imul(h4 ^ (h2 >>> 22), 2869860233);
  h3 = Math.imul(h1 ^ (h3 >>> 17), 951274213);
  h4 = Math.imul(h2 ^ (h4 >>> 19), 2716044179);
  const mixed = h1 ^ h2 ^ h3 ^ h4;
  return [mixed >>> 0, (h2 ^ mixed) >>> 0, (h3 ^ mixed) >>> 0, (h4 ^ mixed) >>> 0 || 1];
}
