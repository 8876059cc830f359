// The line by which a signed commit approves a plan (policy `approval: plan-hash`): written and read here only.

/** `hash` must be a whole digest: text from elsewhere never becomes a line of a commit message. */
export function approvalTrailer(hash: string): string {
  return `Cutover-Plan: ${/^sha256:[0-9a-f]{64}$/.test(hash) ? hash : "this plan has no valid hash"}`;
}

/**
 * Hashes that a commit message names, each once. Only its last paragraph counts, and only when that holds trailers, by the
 * rules of `git interpret-trailers`: a plan that is quoted in the text approves nothing.
 */
export function approvedHashes(message: string): string[] {
  const lines = lastParagraph(message);
  const found = lines.flatMap((line, index) => {
    if (/^\s/.test(lines[index + 1] ?? "")) return []; // goes on in the next line: not a hash alone
    const [, hash] = /^Cutover-Plan[ \t]*:[ \t]*(sha256:[0-9a-f]{64})[ \t]*$/i.exec(line) ?? [];
    return hash === undefined ? [] : [hash.toLowerCase()];
  });
  return [...new Set(found)];
}

/** True for a message that has such a line where it does not count. */
export function namesPlanElsewhere(message: string): boolean {
  return approvedHashes(message).length === 0 && /^[ \t]*Cutover-Plan[ \t]*:/im.test(message);
}

/** Its lines when they are trailers, else none. The first paragraph is the title, whatever it looks like. */
function lastParagraph(message: string): string[] {
  const lines = message.trimEnd().split(/\r?\n/);
  const blank = lines.findLastIndex((line) => line.trim() === "");
  const block = lines.slice(blank + 1);
  const hasTitle = lines.slice(0, Math.max(blank, 0)).some((line) => line.trim() !== "");
  if (!hasTitle) return [];
  let trailers = 0;
  let others = 0;
  let isKnown = false;
  for (const [index, line] of block.entries()) {
    if (/^\s/.test(line) && index > 0) continue; // goes on with the line before
    const isGits = /^(Signed-off-by: |\(cherry picked from commit )/.test(line);
    isKnown ||= isGits;
    if (isGits || /^[A-Za-z0-9-]+[ \t]*:/.test(line)) trailers += 1;
    else others += 1;
  }
  const isTrailers = others === 0 ? trailers > 0 : isKnown && trailers * 3 >= others;
  return isTrailers ? block : [];
}
