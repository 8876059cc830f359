// Grades (R27): what a client may rely on while a component is switched. Declared by its author, measured by `cutover grade`.
import { z } from "zod";

/** From the least to the most. Each one promises what those before it do. */
export const grades = ["listener-safe", "request-safe", "stream-safe"] as const;

export const Grade = z.enum(grades).meta({
  id: "Grade",
  description:
    "What a client may rely on during a switch. listener-safe: every connection is accepted. request-safe: every request that was sent also gets its whole right answer. stream-safe: no WebSocket, event stream or TCP connection breaks either",
});
export type Grade = z.infer<typeof Grade>;
