// Promises that the simulator holds the engine to; each needs a guard in the code whose absence it notices.
export const guardedPromises = ["P1", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P12", "P16", "R33"] as const;
