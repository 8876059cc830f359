// What every part of the bench is given.
import type { Tools } from "./tools.ts";

export interface BenchInput {
  readonly tools: Tools;
  /** Small parameters, to see that it works. */
  readonly quick: boolean;
  /** Of part a, these pairs only; empty for all. */
  readonly pairs: readonly string[];
  /** Scratch space, removed at the end. */
  readonly directory: string;
  /** Where profiles go that explain a missed aim. */
  readonly reports: string;
  readonly say: (line: string) => void;
}
