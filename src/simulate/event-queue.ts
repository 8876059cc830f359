// Virtual time: what is due next happens next, and nothing else does. Between two events every promise that waits is let
// run to its next wait, so that the same seed gives the same order, always.

export interface EventQueue {
  /** Milliseconds since the simulation began. */
  now(): number;
  /** Things of one instant happen in the order in which they were asked for. */
  after(ms: number, action: () => void): void;
  /** Says that a promise was settled or asked for: code that awaits has a turn before the next event. */
  touch(): void;
  /** Resolves once all code that has something to do now waits: what a turn of the event loop is to the real controller. */
  turn(): Promise<void>;
  /** When something happens next; undefined when nothing does. */
  due(): number | undefined;
  /** Happens what is due next; false when nothing is. */
  next(): Promise<boolean>;
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

export function makeEventQueue(): EventQueue {
  const heap: Entry[] = [];
  let now = 0;
  let order = 0;
  let touches = 0;
  let settled = 0;
  const waiting: (() => void)[] = [];
  /** Turns are handed out in the order in which they were asked for, all that are waited for at once. */
  const settle = async (): Promise<void> => {
    while (settled !== touches || waiting.length > 0) {
      settled = touches;
      await everybodyWaits();
      for (const resolve of waiting.splice(0)) {
        touches += 1;
        resolve();
      }
    }
  };
  return {
    now: () => now,
    after(ms, action) {
      push(heap, { at: now + Math.max(0, ms), order: order++, action });
    },
    touch() {
      touches += 1;
    },
    turn: () => new Promise((resolve) => void waiting.push(resolve)),
    due: () => heap[0]?.at,
    async next() {
      await settle();
      const entry = pop(heap);
      if (entry === undefined) return false;
      now = entry.at;
      entry.action();
      return true;
    },
  };
}

/** Node runs a tick when no promise is left that could go on: no turn of its event loop is needed, which costs much more. */
function everybodyWaits(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !isBefore(entry, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    const left = index * 2 + 1;
    let child = heap[left];
    if (child === undefined) break;
    const right = heap[left + 1];
    let place = left;
    if (right !== undefined && isBefore(right, child)) {
      child = right;
      place = left + 1;
    }
    if (!isBefore(child, last)) break;
    heap[index] = child;
    index = place;
  }
  heap[index] = last;
  return first;
}
