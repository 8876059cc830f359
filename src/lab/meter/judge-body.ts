// Whether a whole answer is the right one, by the pattern that the traffic was given.
import { createHash } from "node:crypto";

export interface Judged {
  readonly right: boolean;
  /** Who answered, where the pattern has a group `version`. */
  readonly version: string | undefined;
}

/** Makes the judge of one pattern; throws SyntaxError when it is none. See `RequestTraffic.body`. */
export function makeBodyJudge(pattern: string | undefined): (body: string) => Judged {
  if (pattern === undefined) return () => ({ right: true, version: undefined });
  const whole = new RegExp(`^(?:${pattern})$`, "s");
  return (body) => {
    const groups = whole.exec(body);
    if (groups === null) return { right: false, version: undefined };
    const { version, text, sum } = groups.groups ?? {};
    return { right: text === undefined || sum === undefined || sumOf(text) === sum, version };
  };
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}
