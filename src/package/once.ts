// Asked twice, done once: the one place that says how long an answer counts, and what becomes of one that failed.

export interface OnceOptions {
  /** `for-good` until it is dropped by whoever owns the map; `while-running` only for those who ask before it is there. */
  readonly keep: "for-good" | "while-running";
}

/** Everybody who asks for `key` gets the same promise. What failed is forgotten before anybody hears of it, so it can be asked for again at once. */
export function once<T>(
  known: Map<string, Promise<T>>,
  { key, keep }: OnceOptions & { readonly key: string },
  make: () => Promise<T>,
): Promise<T> {
  const earlier = known.get(key);
  if (earlier !== undefined) return earlier;
  const forget = (): void => {
    if (known.get(key) === promise) known.delete(key); // it may have been dropped, and asked for again, meanwhile
  };
  const promise: Promise<T> = make().then(
    (answer) => {
      if (keep === "while-running") forget();
      return answer;
    },
    (error: unknown) => {
      forget();
      throw error;
    },
  );
  known.set(key, promise);
  return promise;
}
