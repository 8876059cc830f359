// The restore point that a Release asks for: components of it, each once. Pure.
import type { Release } from "../model/release.ts";
import type { RestorePointTerms } from "../model/restore-point.ts";
import { nearest } from "./nearest.ts";
import type { Report } from "./report.ts";

/** Undefined when it asks for none. That each contract saves something is seen when the plan is made: what counts is what was signed. */
export function resolveRestorePoint(
  { components, restore_point: wish }: Pick<Release, "components" | "restore_point">,
  report: Report,
): RestorePointTerms | undefined {
  if (wish === undefined) return undefined;
  const names = components.map(({ name }) => name);
  for (const [index, name] of wish.components.entries()) {
    const path = ["restore_point", "components", index];
    if (wish.components.indexOf(name) < index) report(path, { message: `${name} is there twice` });
    if (names.includes(name)) continue;
    const close = nearest(name, names);
    report(path, {
      message: `${name} is no component of this release`,
      ...(close === undefined ? {} : { nearest: close }),
    });
  }
  return { components: wish.components, withinMs: wish.within_ms };
}
