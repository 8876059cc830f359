// Prometheus metrics of the controller. No host label: ten thousand hosts would drown the server (DESIGN section 7).
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { PassReport } from "../app/serve-passes.ts";
import type { JournalEvent } from "../model/run-event.ts";

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  observeEvent(event: JournalEvent): void;
  observePass(report: PassReport): void;
}

export function makeMetrics(): Metrics {
  const registers = [new Registry()];
  const [registry] = registers;
  if (registry) collectDefaultMetrics({ register: registry, prefix: "cutover_" });
  const passes = new Counter({
    name: "cutover_passes_total",
    help: "Reconcile passes by result",
    labelNames: ["result"],
    registers,
  });
  const passSeconds = new Histogram({
    name: "cutover_pass_seconds",
    help: "Duration of reconcile passes",
    buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1800],
    registers,
  });
  const tasks = new Counter({
    name: "cutover_tasks_total",
    help: "Tasks that hosts reported, by kind and final state",
    labelNames: ["task", "state"],
    registers,
  });
  const taskSeconds = new Histogram({
    name: "cutover_task_seconds",
    help: "Duration of tasks on hosts",
    labelNames: ["task"],
    buckets: [0.01, 0.05, 0.2, 1, 5, 20, 60, 300],
    registers,
  });
  const bytes = new Counter({ name: "cutover_sent_bytes_total", help: "Payload bytes sent to hosts", registers });
  const runs = new Counter({ name: "cutover_runs_total", help: "Runs by outcome", labelNames: ["outcome"], registers });
  const held = new Gauge({
    name: "cutover_held_hosts",
    help: "Hosts and components left alone in the last pass, by reason",
    labelNames: ["reason"],
    registers,
  });
  return {
    contentType: registry?.contentType ?? "text/plain",
    text: async () => (await registry?.metrics()) ?? "",
    observeEvent(event) {
      if (event.kind === "delivered") bytes.inc(event.bytes);
      if (event.kind === "run-ended") runs.inc({ outcome: event.outcome });
      if (event.kind !== "task" || event.event.state === "running") return;
      const task = event.event.task.split("/").at(-1) ?? "task";
      tasks.inc({
        task,
        state: event.event.action === "undo" && event.event.state === "done" ? "undone" : event.event.state,
      });
      taskSeconds.observe({ task }, event.event.durationMs / 1_000);
    },
    observePass(report) {
      passes.inc({ result: report.kind === "passed" ? "passed" : report.error.code });
      passSeconds.observe(report.durationMs / 1_000);
      if (report.kind !== "passed") return;
      held.reset();
      for (const { reason } of report.result.results.flatMap(({ plan }) => plan.held)) held.inc({ reason });
    },
  };
}
