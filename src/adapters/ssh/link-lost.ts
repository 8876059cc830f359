// The one error for a session that cannot be used any more; the executor turns it into an unreachable host.
import { CutoverError } from "../../errors.ts";

export function linkLost(host: string, evidence: string): CutoverError {
  return new CutoverError({
    code: "link-lost",
    message: `Lost the session with ${host}`,
    evidence,
    disposition: "retry",
    remedy: `cutover host check ${host}`,
  });
}
