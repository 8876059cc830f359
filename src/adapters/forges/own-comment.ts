// Which comment is ours to replace: it starts with the marker, and we wrote it. Somebody else's text with our marker is left
// alone, or a stranger could have the plan written into a comment that he edits afterwards.
export interface ForgeComment {
  readonly id: number;
  readonly body: string;
  readonly authorId: number | undefined;
  /** An account that belongs to a program. */
  readonly bot: boolean;
}

/** `me` undefined: the token belongs to a program that has no account of its own (a CI job's token). */
export function isOurComment(
  { body, authorId, bot }: ForgeComment,
  { marker, me }: { readonly marker: string; readonly me: number | undefined },
): boolean {
  return body.split(/\r?\n/, 1)[0] === marker && (me === undefined ? bot : authorId === me);
}

/** Forges may change line ends. */
export function sameText(a: string, b: string): boolean {
  return a.replaceAll("\r\n", "\n").trim() === b.replaceAll("\r\n", "\n").trim();
}
