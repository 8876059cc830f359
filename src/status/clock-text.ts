/** Milliseconds since the epoch as `2026-11-30T09:30:26Z`; what a host says may be beyond any date. */
export function clockText(at: number): string {
  return new Date(Math.min(at, 8.64e15)).toISOString().replace(/\.\d{3}Z$/, "Z");
}
