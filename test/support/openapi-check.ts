// Holds HTTP requests and answers against a published OpenAPI 3.0 description: method, path template, query, body, answer.
import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";

type Json = { readonly [key: string]: unknown };

export interface CheckedRequest {
  readonly method: string;
  /** As sent, with the query. */
  readonly url: string;
  readonly body: unknown;
}
export interface Operation {
  /** `GET /repos/{owner}/{repo}/pulls` */
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** What the description has against the request. */
  readonly violations: readonly string[];
  /** The same for an answer; a status that the description does not know is a violation. */
  answerViolations(status: number, body: unknown): string[];
}

export interface OpenApiCheck {
  operation(request: CheckedRequest): Operation | undefined;
  /** A published example, to be filled in by a server that answers like the real one. */
  example(name: string): Json;
}

export function openApiCheck(text: string): OpenApiCheck {
  const document = JSON.parse(text) as Json;
  const paths = document.paths as Record<string, Record<string, Json>>;
  const templates = Object.keys(paths).map((template) => ({ template, pattern: patternOf(template) }));
  const compiled = new Map<string, ValidateFunction>();
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false, validateSchema: false });
  addFormats.default(ajv);

  const resolve = (value: unknown): Json => {
    const ref = (value as Json | undefined)?.$ref;
    if (typeof ref !== "string") return (value ?? {}) as Json;
    return resolve(pointer(document, ref));
  };
  const violationsOf = (where: string, schema: unknown, value: unknown): string[] => {
    const validate = compiled.get(where) ?? ajv.compile(standAlone(document, schema));
    compiled.set(where, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${where} ${instancePath}: ${message}`);
  };

  return {
    operation({ method, url, body }) {
      const { pathname, searchParams: query } = new URL(url, "http://server");
      const found = mostSpecific(
        templates.filter(({ template, pattern }) => pattern.test(pathname) && paths[template]?.[method.toLowerCase()]),
      );
      const operation = found && paths[found.template]?.[method.toLowerCase()];
      if (found === undefined || operation === undefined) return undefined;
      const name = `${method} ${found.template}`;
      const groups = found.pattern.exec(pathname)?.groups ?? {};
      const parameters = Object.fromEntries(
        Object.entries(groups).map(([key, value]) => [key, decodeURIComponent(value)]),
      );
      const declared = ((operation.parameters ?? []) as unknown[]).map(resolve);
      const given = (place: unknown, key: string) =>
        place === "path" ? parameters[key] : (query.get(key) ?? undefined);
      const named = declared.filter((parameter) => parameter.in === "path" || parameter.in === "query");
      const violations = named.flatMap((parameter) => {
        const key = String(parameter.name);
        const value = given(parameter.in, key);
        if (value === undefined) return parameter.required === true ? [`${name}: ${key} is missing`] : [];
        const { schema } = parameter;
        return violationsOf(`${name} ${key}`, schema, typed(value, resolve(schema)));
      });
      for (const key of query.keys())
        if (!named.some((parameter) => parameter.in === "query" && parameter.name === key))
          violations.push(`${name}: unknown query ${key}`);
      const wanted = resolve(operation.requestBody);
      const bodySchema = schemaIn(wanted);
      if (bodySchema === undefined && body !== undefined) violations.push(`${name} takes no body`);
      if (bodySchema !== undefined && body === undefined && wanted.required === true)
        violations.push(`${name} needs a body`);
      if (bodySchema !== undefined && body !== undefined) {
        violations.push(...violationsOf(`${name} body`, bodySchema, body));
        const known = Object.keys((resolve(bodySchema).properties ?? {}) as Json);
        for (const key of Object.keys(body as Json))
          if (!known.includes(key)) violations.push(`${name} body: unknown field ${key}`);
      }
      return {
        name,
        parameters,
        query,
        violations,
        answerViolations(status, answer) {
          const response = (operation.responses as Json)[String(status)];
          if (response === undefined) return [`${name}: no answer ${status} is described`];
          const schema = schemaIn(resolve(response));
          return schema === undefined ? [] : violationsOf(`${name} ${status}`, schema, answer);
        },
      };
    },
    example: (name) =>
      structuredClone(resolve((document.components as Record<string, Json>).examples?.[name]).value as Json),
  };
}

function schemaIn({ content }: Json): unknown {
  return (content as Record<string, Json> | undefined)?.["application/json"]?.schema;
}

function patternOf(template: string): RegExp {
  const source = template
    .replace(/[.*+?^$()|[\]\\]/g, "\\$&")
    .replace(/\{([^}]+)\}/g, (_, name: string) => `(?<${name.replaceAll("-", "_")}>[^/]+)`);
  return new RegExp(`^${source}$`);
}

function mostSpecific<T extends { readonly template: string }>(found: readonly T[]): T | undefined {
  const holes = ({ template }: T) => template.split("{").length;
  return [...found].sort((a, b) => holes(a) - holes(b))[0];
}

function typed(value: string, { type }: Json): unknown {
  return type === "integer" && /^-?\d+$/.test(value) ? Number(value) : value;
}

function pointer(document: Json, ref: string): unknown {
  const parts = ref
    .replace(/^#\//, "")
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  return parts.reduce<unknown>((value, part) => (value as Json | undefined)?.[part], document);
}

/** The schema with everything that it refers to, as JSON Schema: OpenAPI 3.0 writes `nullable` where that has `null`. */
function standAlone(document: Json, schema: unknown): Json {
  const definitions: Record<string, unknown> = {};
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value !== "object" || value === null) return value;
    const { nullable, $ref, discriminator: _, example: __, ...others } = value as Json;
    if (typeof $ref === "string") {
      const name = $ref.split("/").at(-1) ?? "";
      if (!(name in definitions)) {
        definitions[name] = {};
        definitions[name] = convert(pointer(document, $ref));
      }
      return { $ref: `#/$defs/${name}` };
    }
    const converted = Object.fromEntries(Object.entries(others).map(([key, inner]) => [key, convert(inner)]));
    return nullable === true ? { anyOf: [converted, { type: "null" }] } : converted;
  };
  return { ...(convert(schema) as Json), $defs: definitions };
}
