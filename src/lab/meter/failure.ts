// Why something that the meter sent counts as failed. Nothing is retried, so each of these is something a client would have seen.

/**
 * refused: no connection. reset: the connection was reset. hang-up: it ended before the whole answer. refused-stream: HTTP/2 gave
 * the request back. no-connection: a stream was down when its message was due. gap: something in a stream's numbering is missing.
 */
export const failureReasons = [
  "refused",
  "reset",
  "hang-up",
  "refused-stream",
  "no-connection",
  "timeout",
  "non-2xx",
  "wrong-body",
  "gap",
  "other",
] as const;
export type FailureReason = (typeof failureReasons)[number];

/** How something failed, in a word and in full. */
export interface Failure {
  readonly reason: FailureReason;
  readonly detail: string;
  /** True when nothing tells that the service ever accepted the connection: refused, or reset before its first byte. */
  readonly unaccepted: boolean;
}

/**
 * What an error of a connection means. `silent`: it is a fresh one on which not a byte has come back. The kernel resets what waits
 * in the queue of a listener that closes, while a process that ends closes what it has accepted with a FIN; so a silent
 * connection that is reset may never have been accepted, and counts as such.
 */
export function failureOf(error: NodeJS.ErrnoException, { silent }: { readonly silent: boolean }): Failure {
  const detail = error.code === undefined ? error.message : `${error.code}: ${error.message}`;
  const wasReset = error.syscall === "read" || error.syscall === "write";
  if (error.syscall === "connect")
    return { reason: error.code === "ETIMEDOUT" ? "timeout" : "refused", detail, unaccepted: true };
  if (error.code === "EPIPE" || (error.code === "ECONNRESET" && wasReset))
    return { reason: "reset", detail, unaccepted: silent };
  if (error.code === "ECONNRESET" || error.code === "ECONNABORTED" || error.code === "HPE_INVALID_EOF_STATE")
    return { reason: "hang-up", detail, unaccepted: false };
  return { reason: error.code === "ETIMEDOUT" ? "timeout" : "other", detail, unaccepted: false };
}
