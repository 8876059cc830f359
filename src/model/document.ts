// Every kind of document a release repository may hold, tagged by `kind`.
import { z } from "zod";
import { Component } from "./component.ts";
import { Fleet } from "./fleet.ts";
import { PlanEdit } from "./plan-edit.ts";
import { Policy } from "./policy.ts";
import { Procedure } from "./procedure.ts";
import { Release } from "./release.ts";
import { Trust } from "./trust.ts";

export const documentSchemas = { Fleet, Component, Release, Policy, Procedure, PlanEdit, Trust } as const;
export type DocumentKind = keyof typeof documentSchemas;
export const documentKinds = Object.keys(documentSchemas) as readonly DocumentKind[];

/** For editors: what one YAML document may be. The parser picks the schema by `kind` itself, for better messages. */
export const CutoverDocument = z
  .union([Fleet, Component, Release, Policy, Procedure, PlanEdit, Trust])
  .meta({ id: "CutoverDocument", title: "A document of a cutover release repository" });
export type CutoverDocument = Fleet | Component | Release | Policy | Procedure | PlanEdit | Trust;

export function isDocumentKind(kind: unknown): kind is DocumentKind {
  return typeof kind === "string" && Object.hasOwn(documentSchemas, kind);
}
