// What `cutover simulate` found, in words. Pure.
import type { SimulationProgress, SimulationResult } from "../app/simulate.ts";
import { type Line, styled } from "./text.ts";
import { counted } from "./units.ts";

type Failure = NonNullable<SimulationResult["failure"]>;

export function renderSimulated({ seeds, facts, runs }: SimulationProgress, seconds: number): Line {
  const speed = seconds > 0 ? seeds / seconds : 0;
  const rate = speed >= 1 ? `${speed.toFixed(0)} seeds/s` : `${seconds.toFixed(1)} s`;
  return [
    styled(counted(seeds, "world"), "strong"),
    `: ${counted(runs, "run")}, promises checked at ${counted(facts, "event")}`,
    styled(`  ${rate}`, "faint"),
  ];
}

/** At most so many lines of what happened: the end of it tells most. */
const logLines = 60;

export function renderFailure({ seed, violation, scenario, log }: Failure): Line[] {
  const { promise, title, what, at } = violation;
  const { hosts, components, faults, policy, rollbackPolicy } = scenario;
  const left = Math.max(0, log.length - logLines);
  return [
    [],
    [styled(`${promise} broken`, "bad"), ` with seed ${seed}, ${at} ms into the smallest world found`],
    [`  ${title}`],
    [`  ${what}`],
    [],
    [
      styled("the world: ", "faint"),
      `${counted(hosts.length, "host")} (${hosts.map(({ name, manager }) => `${name} ${manager}`).join(", ")}), rollback_policy ${rollbackPolicy}, ${JSON.stringify(policy)}`,
    ],
    ...components.map(({ name, from, to, hosts: on, ...rest }): Line => {
      return [`  ${name} ${from ?? "nothing"} → ${to} on ${on.join(" ")} ${JSON.stringify(rest)}`];
    }),
    [styled(counted(faults.length, "fault"), "faint")],
    ...faults.map((fault): Line => [`  ${JSON.stringify(fault)}`]),
    [styled(left > 0 ? `what happened, without the first ${left} events` : "what happened", "faint")],
    ...log.slice(-logLines).map((line): Line => [`  ${line}`]),
    [],
    [styled("next:", "accent"), ` cutover simulate --seed ${seed}`],
  ];
}
