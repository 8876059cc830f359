// The shells that hosts have, and which of them a case of host.sh runs under.
import { createHash } from "node:crypto";
import { type Case, isFull, registered } from "./full-form.ts";

export interface Shell {
  readonly name: string;
  readonly argv: readonly string[];
  /** Everything but ssh-keygen and the decoders is BusyBox, not only the shell. */
  readonly busyBox: boolean;
}
export const shells: readonly Shell[] = [
  { name: "dash", argv: ["dash"], busyBox: false },
  { name: "bash", argv: ["bash"], busyBox: false },
  { name: "busybox ash", argv: ["busybox", "ash"], busyBox: true },
];

/** bash, whose forks cost twice as much, has fewer turns. */
const turns = ["dash", "busybox ash", "dash", "busybox ash", "dash", "busybox ash", "bash"];

/**
 * `test`, for cases that a file has under every shell, with the shell's name in theirs. At every push each case runs under one of them,
 * which its name decides: so each runs a part of what host.sh does, and a new case moves no other. `npm run test:full` runs each under each.
 */
export function inTurn(shell: string): Case {
  return (name, ...rest) => {
    const [digest = 0] = createHash("sha256").update(name.replace(shell, "")).digest();
    if (!isFull && turns[digest % turns.length] !== shell) return;
    registered(name, ...rest);
  };
}
