// Log lines through pino: JSON on standard error, so that standard output stays the command's own.
import { pino } from "pino";
import type { LogPort } from "../ports.ts";

/** Keys that are never written, whatever the caller passes (P15). */
const redact = [
  "privateKey",
  "secret",
  "token",
  "password",
  "authorization",
  "*.privateKey",
  "*.secret",
  "*.token",
  "*.password",
  "*.authorization",
];

export function makePinoLog(level: string): LogPort {
  const log = pino(
    { name: "cutover", level, redact, base: { pid: process.pid } },
    pino.destination({ dest: 2, sync: true }),
  );
  return {
    info: (event, details = {}) => log.info(details, event),
    warn: (event, details = {}) => log.warn(details, event),
    error: (event, details = {}) => log.error(details, event),
  };
}
