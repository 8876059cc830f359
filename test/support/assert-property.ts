// A property test with a bound in time: what has begun is finished, so that nothing goes on behind the test's back.
import fc from "fast-check";

/** Tries at most `runs` examples and begins none after `ms`. */
export async function assertProperty<T>(
  arbitrary: fc.Arbitrary<T>,
  { runs, ms }: { readonly runs: number; readonly ms: number },
  body: (example: T) => Promise<void>,
): Promise<void> {
  const until = performance.now() + ms;
  const property = fc.asyncProperty(arbitrary, async (example) => {
    if (performance.now() < until) await body(example);
  });
  await fc.assert(property, { numRuns: runs });
}
