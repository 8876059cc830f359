// Numbers as people read them. Pure.

export { formatBytes } from "../model/format-bytes.ts";
export { counted, formatClock, formatCount, formatDuration } from "../status/units.ts";
