// cutover gate list | open: where runs wait for a person, and letting them go on. Works beside a running `serve`.
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { gateLines } from "./render-gate.ts";
import { actorOf, addReason, withJournal } from "./run-control.ts";
import { styled } from "./text.ts";

export function addGate(program: Command, register: Register): void {
  const gate = program
    .command("gate")
    .summary("Where runs wait for a person")
    .description("A gate is an edit of the plan (kind PlanEdit): the run waits there until somebody opens it");
  const list = gate.command("list").description("Gates at which runs wait, since when and why");
  register(list, async (context) => {
    const { waitingGates } = await import("../app/gates.ts");
    const waiting = await withJournal(context, ({ journal }) => waitingGates(journal));
    context.output.print(waiting.length === 0 ? [["no run waits at a gate"]] : waiting.flatMap(gateLines));
    context.output.document({ waiting });
    return ExitCode.done;
  });
  const open = addReason(gate.command("open <target> <name>"))
    .description(
      "Open a gate: the run goes on. TARGET is a run, or the release of the one that waits; a Release without a name is called release",
    )
    .addHelpText(
      "after",
      examples([
        "cutover gate open shop look --reason 'graphs are flat'",
        "the run of shop that waits at gate look goes on",
      ]),
    );
  register(open, async (context, { args, options }) => {
    const { openGate } = await import("../app/gates.ts");
    const [target = "", name = ""] = args;
    const actor = actorOf(options);
    const opened = await withJournal(context, (memory) => openGate(memory, { target, gate: name, ...actor }));
    context.output.print([
      [styled("opened:", "good"), ` gate ${opened.gate} of run ${opened.run} (${actor.reason}, ${actor.by})`],
      [
        styled("next:", "accent"),
        " a running cutover serve goes on by itself, or cutover step where somebody steps through the run; else cutover reconcile --once",
      ],
    ]);
    context.output.document({ opened, ...actor });
    return ExitCode.done;
  });
}
