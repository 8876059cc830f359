// What the demo shows: on a terminal one picture redrawn in place, with lines scrolling above it; otherwise plain lines.
import type { JournalEvent } from "../../model/run-event.ts";
import type { LoadSecond } from "./load-report.ts";

interface HostCell {
  doing: string;
  versions: string;
  failed: number;
}

export interface DemoPicture {
  /** A line that stays. */
  say(line: string): void;
  chapter(title: string): void;
  event(event: JournalEvent): void;
  load(second: LoadSecond): void;
  end(): void;
}

export function makeDemoPicture({ out, hosts }: { out: NodeJS.WriteStream; hosts: readonly string[] }): DemoPicture {
  const cells = new Map<string, HostCell>(hosts.map((host) => [host, { doing: "", versions: "", failed: 0 }]));
  const total = { sent: 0, failed: 0 };
  let drawn = 0;
  const started = performance.now();

  function erase(): void {
    if (drawn > 0) out.write(`\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  }
  function draw(): void {
    if (!out.isTTY || total.sent === 0) return;
    erase();
    const lines = [...cells].map(([host, cell]) => {
      const failed = cell.failed > 0 ? `  failed ${cell.failed}` : "";
      return `  ${host}  ${cell.versions.padEnd(36)} ${cell.doing.padEnd(22)}${failed}`;
    });
    lines.unshift(`  requests ${total.sent.toLocaleString("en")}   failed requests: ${total.failed}`);
    for (const line of lines) out.write(`${line.slice(0, (out.columns ?? 100) - 1)}\n`);
    drawn = lines.length;
  }
  function say(line: string): void {
    erase();
    const width = out.isTTY ? (out.columns ?? 100) - 11 : Number.POSITIVE_INFINITY;
    out.write(`${((performance.now() - started) / 1_000).toFixed(1).padStart(6)} s  ${line.slice(0, width)}\n`);
    draw();
  }
  return {
    say,
    chapter: (title) => say(`── ${title}`),
    event(event) {
      if (event.kind === "task") {
        const cell = cells.get(event.host);
        const [, component, task] = event.event.task.split("/");
        if (cell)
          cell.doing = `${component} ${event.event.action === "undo" ? "undo " : ""}${task} ${event.event.state}`;
      }
      const line = eventLine(event);
      if (line !== undefined) say(line);
    },
    load(second) {
      Object.assign(total, second.total);
      for (const [host, counts] of Object.entries(second.hosts)) {
        const cell = cells.get(host);
        if (cell === undefined) continue;
        cell.failed += counts.failed;
        cell.versions = Object.entries(counts.versions)
          .map(([version, answers]) => `shop ${version} ${answers}/s`)
          .join("  ");
      }
      draw();
    },
    end: () => erase(),
  };
}

/** The events worth a line of their own; undefined for the rest. */
function eventLine(event: JournalEvent): string | undefined {
  switch (event.kind) {
    case "run-planned":
      return `plan ${event.plan.hash.slice(0, 19)}…: ${event.plan.changes.length} changes, ${event.plan.steps.filter(({ kind }) => kind === "switch").length} batches`;
    case "run-resumed":
      return `run resumed where the journal ends, epoch ${event.epoch}`;
    case "step-started":
      return `step ${event.step}`;
    case "delivered":
      return event.bytes > 0
        ? `${event.host} ${event.component}: ${(event.bytes / 1e6).toFixed(1)} MB in ${(event.ms / 1_000).toFixed(1)} s`
        : undefined;
    case "task":
      return taskLine(event);
    case "quarantined":
      return `quarantined ${event.component} ${event.version}: ${event.reason}`;
    case "rollback-started":
      return `going back (${event.scope}): ${event.reason}`;
    case "run-ended":
      return `run ended: ${event.outcome}: ${event.reason}`;
    default:
      return undefined;
  }
}

function taskLine({ event }: Extract<JournalEvent, { kind: "task" }>): string | undefined {
  const switched = event.task.endsWith("/switch") && event.state === "done";
  if (!switched && event.state !== "failed") return undefined;
  return `${event.task} ${event.action} ${event.state} in ${event.durationMs} ms: ${printable(event.evidence || event.reason)}`;
}

/** Host output is hostile: only printable ASCII reaches the terminal (T26). */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, " ").slice(0, 240);
}
