// The two forms of the tests: `npm test` at every push, on two cores that others use too, and `npm run test:full`, the long forms.

export const isFull = process.env.CUTOVER_TEST_FULL === "1";

/**
 * How much of the full load clients send. Each request costs the service, its balancer and the client about the same, so at full load a
 * slow machine spends more on clients than on what they watch, and an open loop falls behind. At a quarter some
 * twenty milliseconds lie between two requests; what happens in less is for `npm run handover`, at full load.
 */
export const loadShare = isFull ? 1 : 0.25;
