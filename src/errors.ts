// Every error that cutover raises on purpose: what failed, how the reconcile loop treats it, and how the process exits.

/** What happens next: `stall` waits for a person or a new commit, `retry` tries again by itself, `wait` needs time only. */
export type Disposition = "stall" | "retry" | "wait";

/** Exit codes of the process; public. */
export const ExitCode = {
  done: 0,
  changesPending: 2,
  rolledBack: 3,
  stuck: 4,
  refused: 5,
  usage: 64,
  lacking: 69,
  bug: 70,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface CutoverErrorDetails {
  /** Stable public word; becomes the Status reason. */
  readonly code: string;
  readonly message: string;
  readonly disposition?: Disposition;
  readonly exitCode?: ExitCode;
  /** What was seen, already free of secrets; shown indented under the message. */
  readonly evidence?: string;
  /** What this means for the operator, one sentence. */
  readonly impact?: string;
  /** The next command to type. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/** Base of all deliberate errors. Tell them apart by `code`, never by matching text. */
export class CutoverError extends Error {
  readonly code: string;
  readonly disposition: Disposition;
  readonly exitCode: ExitCode;
  readonly evidence: string | undefined;
  readonly impact: string | undefined;
  readonly remedy: string | undefined;

  constructor(details: CutoverErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.disposition = details.disposition ?? "stall";
    this.exitCode = details.exitCode ?? ExitCode.stuck;
    this.evidence = details.evidence;
    this.impact = details.impact;
    this.remedy = details.remedy;
  }
}

/** The caller typed something that cannot be meant: exit 64. */
export class UsageError extends CutoverError {
  constructor(message: string, remedy?: string) {
    super({ code: "usage", message, exitCode: ExitCode.usage, ...(remedy === undefined ? {} : { remedy }) });
  }
}

/** A program, key or file that this machine lacks: exit 69. */
export class LackingError extends CutoverError {
  constructor(message: string, remedy: string, cause?: unknown) {
    const evidence = cause instanceof Error ? { evidence: cause.message, cause } : {};
    super({ code: "lacking", message, exitCode: ExitCode.lacking, remedy, ...evidence });
  }
}

/** An error that this machine's files gave, as one that names the directory; anything else comes back as it is. Nobody further up could tell a full disk from a damaged artifact. */
export function orLackingDisk(directory: string, error: unknown): unknown {
  const call = error instanceof Error && "syscall" in error ? String(error.syscall) : "spawn";
  if (call.startsWith("spawn")) return error;
  return new LackingError(`Cannot read or write files in ${directory}`, `df -h ${directory}`, error);
}

/** Trust or policy says no: exit 5. Nothing was changed. */
export class RefusedError extends CutoverError {
  constructor(details: Omit<CutoverErrorDetails, "exitCode" | "disposition">) {
    super({ ...details, exitCode: ExitCode.refused, disposition: "stall" });
  }
}

export class HostUnreachableError extends CutoverError {
  constructor(host: { readonly name: string; readonly address: string; readonly port: number }, cause: unknown) {
    super({
      code: "host-unreachable",
      message: `Cannot reach ${host.name} at ${host.address}:${host.port} over SSH`,
      disposition: "retry",
      evidence: cause instanceof Error ? cause.message : String(cause),
      impact: "Its state is unknown; nothing more is sent to it until it answers",
      remedy: `cutover host check ${host.name}`,
      cause,
    });
  }
}

/** The host answered, and said no or failed. `code` is the host's own reason word. */
export class HostRefusedError extends CutoverError {
  /** The host's exit code by meaning, 64–78. */
  readonly hostCode: number;
  constructor(input: { host: string; verb: string; hostCode: number; reason: string; evidence: string }) {
    super({
      code: input.reason,
      message: `${input.host} refused ${input.verb}: ${input.reason}`,
      evidence: input.evidence,
      exitCode: input.hostCode === 77 || input.hostCode === 78 ? ExitCode.refused : ExitCode.stuck,
      disposition: input.hostCode === 75 ? "wait" : "stall",
      remedy: `cutover host check ${input.host}`,
    });
    this.hostCode = input.hostCode;
  }
}
