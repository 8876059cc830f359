// Durations, counts and times as people read them, in terminals and in comments. Pure.

export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(seconds / 3_600);
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** `1 host`, `4 hosts`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** UTC, to the second. */
export function formatClock(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** `12,345`: the same in every locale. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}
