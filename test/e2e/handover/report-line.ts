// One row of the report as plain data, kept beside the report: so a row can be measured again, or longer, alone.
import { cpus, release as kernelRelease, totalmem } from "node:os";
import { cellOf } from "./assert-row.ts";
import type { Row } from "./row.ts";
import type { RowResult } from "./run-row.ts";

export interface ReportLine {
  readonly row: Pick<Row, "name" | "of" | "strategy" | "manager" | "grade">;
  /** When it began, as ISO 8601. */
  readonly at: string;
  readonly machine: string;
  readonly switches: number;
  readonly rate: number;
  readonly seconds: number;
  /** Absent when the row broke off. */
  readonly seen?: {
    readonly handOvers: number;
    readonly requests: number;
    readonly failed: number;
    readonly longestPauseMs: number;
    readonly latenessMaxMs: number;
    readonly streams: number;
    readonly lost: number;
    readonly grade: string;
    readonly kinds: readonly {
      readonly kind: string;
      /** Two lines of a kind are two ports. Absent in what was measured before it was kept. */
      readonly port?: number;
      readonly sent: number;
      readonly failed: number;
      readonly unaccepted: number;
      readonly longestPauseMs: number;
      readonly versions: readonly string[];
    }[];
  };
  /** Why the row does not keep what it promises. */
  readonly broken?: string;
}

export function seenOf(result: RowResult): NonNullable<ReportLine["seen"]> {
  const { switches, grade, measured } = result;
  return {
    ...{ handOvers: switches.length, grade, latenessMaxMs: measured.latenessMaxMs },
    ...cellOf(result),
    kinds: measured.kinds.map(({ kind, port, sent, failed, unaccepted, longestPauseMs, versions }) => ({
      ...{ kind, port, sent, failed, unaccepted, longestPauseMs },
      versions: Object.keys(versions).sort(),
    })),
  };
}

export function machineText(): string {
  return `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${kernelRelease()}, Node.js ${process.version}`;
}
