// The two forms of the tests: `npm test` at every push, on two cores that others use too, and `npm run test:full`, the long forms.
import { type TestContext, type TestOptions, test } from "node:test";

export const isFull = process.env.CUTOVER_TEST_FULL === "1";

/**
 * How much of the full load clients send. Each request costs the service, its balancer and the client about the same, so at full load a
 * slow machine spends more on clients than on what they watch, and an open loop falls behind. At a quarter some
 * twenty milliseconds lie between two requests; what happens in less is for `npm run handover`, at full load.
 */
export const loadShare = isFull ? 1 : 0.25;

type Body = (context: TestContext) => void | Promise<void>;
/** `test` with a body, and options before it where there are any. */
export type Case = (name: string, ...rest: readonly [Body] | readonly [TestOptions, Body]) => void;

export const registered: Case = (name, ...rest) => {
  if (rest.length === 1) test(name, rest[0]);
  else test(name, ...rest);
};

/** For a further way to the same promise: what stands beside it in its file, or in a test of a part, keeps that promise at every push. */
export const inFullForm: Case = isFull ? registered : () => {};
