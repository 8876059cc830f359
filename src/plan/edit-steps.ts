// Splits, moves and gates of a plan's steps (R36). Numbers in edits are those of the plan without edits, so that the order
// of edits says nothing and one more does not shift the others; the batches that come out are numbered anew. Pure.
import type { HostWork, Step } from "../model/plan.ts";
import type { NamedEdit } from "../model/plan-edit.ts";
import { compareText } from "./difference.ts";

/** Steps that go together as a batch: its switch and its confirm. */
interface Batch {
  /** Its number in the plan without edits. */
  readonly origin: number;
  readonly steps: readonly Step[];
}

/** A batch, or a step that concerns all hosts at once. */
type Stretch = Batch | { readonly origin: undefined; readonly steps: readonly Step[] };

export interface EditedSteps {
  readonly steps: readonly Step[];
  /** What came of each edit of steps, as a sentence. */
  readonly effects: ReadonlyMap<NamedEdit, string>;
}

/** Each edit does what it can: a batch that the plan does not have is said in its effect. */
export function editSteps(steps: readonly Step[], edits: readonly NamedEdit[]): EditedSteps {
  const effects = new Map<NamedEdit, string>();
  let stretches = stretchesOf(steps);
  const count = batchesIn(stretches).length;
  for (const edit of edits)
    if (edit.kind === "move") {
      const moved = moveHost(stretches, edit);
      effects.set(edit, moveEffect(edit, { count, from: moved.from }));
      stretches = moved.stretches;
    }
  for (const edit of edits)
    if (edit.kind === "split") {
      const hosts = hostsOf(batchesIn(stretches).find(({ origin }) => origin === edit.batch)).length;
      effects.set(edit, splitEffect(edit, { count, hosts }));
      stretches = stretches.flatMap((each) => (each.origin === edit.batch ? splitBatch(each, edit.size) : [each]));
    }
  const full = stretches.filter(
    ({ origin, steps }) => origin === undefined || steps.some(({ work }) => work.length > 0),
  );
  const placed = withGates(full, edits);
  for (const [edit, effect] of placed.effects) effects.set(edit, effect);
  return { steps: numbered(placed.stretches), effects };
}

function stretchesOf(steps: readonly Step[]): Stretch[] {
  const stretches: { origin: number | undefined; steps: Step[] }[] = [];
  for (const step of steps) {
    const origin = step.batch === 0 ? undefined : step.batch;
    const last = stretches.at(-1);
    if (last !== undefined && origin !== undefined && last.origin === origin) last.steps.push(step);
    else stretches.push({ origin, steps: [step] });
  }
  return stretches as Stretch[];
}

function batchesIn(stretches: readonly Stretch[]): Batch[] {
  return stretches.filter((each): each is Batch => each.origin !== undefined);
}

function hostsOf(batch: Batch | undefined): string[] {
  return [...new Set(batch?.steps.flatMap(({ work }) => work.map(({ host }) => host)))];
}

type Move = NamedEdit & { kind: "move" };

/** Everything that the host does in batches before the wanted one; behind the last one a batch of its own is made. */
function moveHost(
  stretches: readonly Stretch[],
  { host, toBatch }: Move,
): { readonly stretches: Stretch[]; readonly from: readonly number[] } {
  const sources = batchesIn(stretches).filter((batch) => batch.origin < toBatch && hostsOf(batch).includes(host));
  const last = batchesIn(stretches).at(-1);
  if (sources.length === 0 || last === undefined) return { stretches: [...stretches], from: [] };
  const taken = sources.flatMap(({ steps }) =>
    steps.map((step) => ({ ...step, work: step.work.filter((each) => each.host === host) })),
  );
  const left = stretches.map((each): Stretch => (sources.includes(each as Batch) ? withoutHost(each, host) : each));
  const from = sources.map(({ origin }) => origin);
  const target = batchesIn(stretches).find(({ origin }) => origin === toBatch);
  if (target !== undefined)
    return { stretches: left.map((each) => (each.origin === toBatch ? takeIn(each, taken) : each)), from };
  const own = takeIn({ origin: toBatch, steps: last.steps.map((step) => ({ ...step, work: [] })) }, taken);
  const end = left.findLastIndex(({ origin }) => origin !== undefined && origin < toBatch) + 1;
  return { stretches: [...left.slice(0, end), own, ...left.slice(end)], from };
}

function withoutHost({ origin, steps }: Stretch, host: string): Stretch {
  return { origin, steps: steps.map((step) => ({ ...step, work: step.work.filter((each) => each.host !== host) })) } as Stretch; // biome-ignore format: one line
}

/** The host does what it brings before what it has there already: it would have come earlier. */
function takeIn({ origin, steps }: Stretch, taken: readonly Step[]): Stretch {
  return {
    origin,
    steps: steps.map((step) => {
      const brought = taken.filter(({ kind }) => kind === step.kind).flatMap(({ work }) => work);
      const groups = new Map<string, HostWork>();
      for (const each of [...brought, ...step.work]) {
        const before = groups.get(each.host)?.groups ?? [];
        groups.set(each.host, { host: each.host, groups: [...before, ...each.groups] });
      }
      return { ...step, work: [...groups.values()].sort((a, b) => compareText(a.host, b.host)) };
    }),
  } as Stretch;
}

function splitBatch(batch: Stretch, size: number): Stretch[] {
  const hosts = hostsOf(batch as Batch);
  const parts: Stretch[] = [];
  for (let start = 0; start < hosts.length; start += size) {
    const mine = new Set(hosts.slice(start, start + size));
    const steps = batch.steps.map((step) => ({ ...step, work: step.work.filter(({ host }) => mine.has(host)) }));
    parts.push({ ...batch, steps } as Stretch);
  }
  return parts;
}

interface Placed {
  readonly stretches: readonly Stretch[];
  readonly effects: ReadonlyMap<NamedEdit, string>;
}

/** Gates at one place stand in the order of their edits. */
function withGates(stretches: readonly Stretch[], edits: readonly NamedEdit[]): Placed {
  const effects = new Map<NamedEdit, string>();
  const before = new Map<Stretch | undefined, Step[]>();
  for (const edit of edits) {
    if (edit.kind !== "gate") continue;
    const place = edit.beforePhase === undefined ? afterBatch(stretches, edit.afterBatch ?? 1) : beforePhase(stretches, edit.beforePhase); // biome-ignore format: one line
    effects.set(edit, place.effect);
    if (place.phase === undefined) continue;
    const { name, reason } = edit;
    const gate: Step = {
      ...{ id: `gate.${name}`, kind: "gate", phase: place.phase, batch: 0, work: [], soakSeconds: 0 },
      gate: { name, reason },
    };
    before.set(place.next, [...(before.get(place.next) ?? []), gate]);
  }
  const asStretch = (steps: readonly Step[] = []): Stretch[] =>
    steps.map((step) => ({ origin: undefined, steps: [step] }));
  return {
    stretches: [
      ...stretches.flatMap((each) => [...asStretch(before.get(each)), each]),
      ...asStretch(before.get(undefined)),
    ],
    effects,
  };
}

interface GatePlace {
  /** Undefined: there is no place for it in this plan. */
  readonly phase: string | undefined;
  /** What comes behind it; undefined at the end. */
  readonly next: Stretch | undefined;
  readonly effect: string;
}

/** Behind all parts of the batch. A gate for a batch that is not there closes behind the last one before it: it never vanishes. */
function afterBatch(stretches: readonly Stretch[], number: number): GatePlace {
  const batches = batchesIn(stretches);
  if (batches.length === 0)
    return { phase: undefined, next: undefined, effect: "nothing switches, so nothing waits for it" };
  const behind = stretches.findLastIndex(({ origin }) => origin !== undefined && origin <= number);
  const place = behind === -1 ? stretches.findIndex(({ origin }) => origin !== undefined) - 1 : behind;
  const phase = (stretches[place] ?? stretches[0])?.steps[0]?.phase;
  const done = batches.filter((batch) => stretches.indexOf(batch) <= place).length;
  const here = batches.some(({ origin }) => origin === number);
  const where = done === 0 ? "before the first batch" : `after batch ${done} of ${batches.length}`;
  return {
    phase,
    next: stretches[place + 1],
    effect: `the run waits ${where}${here ? "" : `; there is no batch ${number}`}`,
  };
}

function beforePhase(stretches: readonly Stretch[], name: string): GatePlace {
  const next = stretches.find(({ steps }) => steps[0]?.phase === name);
  if (next === undefined)
    return { phase: undefined, next, effect: `nothing to do in phase ${name}, so nothing waits for it` };
  return { phase: name, next, effect: `the run waits before phase ${name}` };
}

/** Batches count from 1 again, and ids follow. */
function numbered(stretches: readonly Stretch[]): Step[] {
  let batch = 0;
  return stretches.flatMap(({ origin, steps }) => {
    if (origin === undefined) return steps;
    batch += 1;
    return steps.map((step) => (step.batch === batch ? step : { ...step, id: `${step.kind}.${batch}`, batch }));
  });
}

function moveEffect({ host, toBatch }: Move, { count, from }: { count: number; from: readonly number[] }): string {
  if (from.length === 0) return `${host} does nothing before batch ${toBatch}, so it stays where it is`;
  const to = toBatch <= count ? `batch ${toBatch}` : "a batch of its own, the last";
  return `${host} goes from batch ${from.join(" and ")} to ${to}`;
}

function splitEffect(
  { batch, size }: NamedEdit & { kind: "split" },
  { count, hosts }: { count: number; hosts: number },
): string {
  if (hosts === 0) return `there is no batch ${batch} of ${count} to split`;
  if (hosts <= size)
    return `batch ${batch} has ${hosts} ${hosts === 1 ? "host" : "hosts"}, no more than ${size} already`;
  return `batch ${batch} of ${hosts} hosts becomes ${Math.ceil(hosts / size)} batches`;
}
