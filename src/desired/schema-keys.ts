// Which keys a schema would have taken at some path: candidates for "did you mean".
import type { z } from "zod";

type Schema = z.core.$ZodType;

/** Keys of every object schema that `path` may lead to, through defaults, options, lists, records and unions. */
export function schemaKeysAt(schema: Schema, path: readonly PropertyKey[]): string[] {
  let schemas = unwrap(schema);
  for (const part of path) schemas = schemas.flatMap((each) => step(each, part)).flatMap(unwrap);
  return schemas.flatMap((each) => Object.keys(shapeOf(each) ?? {}));
}

interface Definition {
  readonly type: string;
  readonly innerType?: Schema;
  readonly options?: readonly Schema[];
  readonly element?: Schema;
  readonly valueType?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
}

function definition(schema: Schema): Definition {
  return schema._zod.def as unknown as Definition;
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  return definition(schema).shape;
}

function unwrap(schema: Schema): Schema[] {
  const { innerType, options } = definition(schema);
  if (innerType !== undefined) return unwrap(innerType);
  if (options !== undefined) return options.flatMap(unwrap);
  return [schema];
}

function step(schema: Schema, part: PropertyKey): Schema[] {
  const { element, valueType } = definition(schema);
  const next = typeof part === "number" ? element : (shapeOf(schema)?.[String(part)] ?? valueType);
  return next === undefined ? [] : [next];
}
