// What the units of hosts say about the order of components, and what became of it in a plan (R28).

export interface UnitOrderFinding {
  /**
   * respected: the release says nothing, so the plan moves `after` first.
   * contradicts: the release, or its Procedure, orders them the other way round, which counts.
   * circle: with the orders of other units, or of other hosts, it leads round in a circle: no plan could respect all of them.
   */
  readonly kind: "respected" | "contradicts" | "circle";
  /** The component whose units come after, or need, those of `after`. */
  readonly component: string;
  readonly after: string;
  /** `api.service After=database.service`, sorted. */
  readonly directives: readonly string[];
  /** Where a unit says so, sorted. */
  readonly hosts: readonly string[];
}

/** What became of it, as one sentence without the hosts: they stand beside it. */
export function unitOrderText({ kind, component, after, directives }: UnitOrderFinding): string {
  const said = directives.length > 4 ? [...directives.slice(0, 4), `and ${directives.length - 4} more`] : directives;
  const units = `the hosts' units say ${said.join(", ")}`;
  switch (kind) {
    case "respected":
      return `${after} moves before ${component}: ${units}`;
    case "contradicts":
      return `${component} moves before ${after}, as the release or its Procedure says; ${units}`;
    case "circle":
      return `${component} does not wait for ${after}: ${units}, which leads round in a circle with other units`;
  }
}
