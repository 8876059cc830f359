// cutover.yaml, the controller's own settings: read once, paths made absolute, every mistake named with its line.
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { validate } from "node-cron";
import { checkValue } from "./desired/check-value.ts";
import { parseDocuments } from "./desired/parse-documents.ts";
import { readYaml } from "./desired/read-yaml.ts";
import { CutoverError, ExitCode, LackingError } from "./errors.ts";
import { ConfigFile } from "./model/config-file.ts";
import { type Diagnostic, formatDiagnostic } from "./model/diagnostic.ts";
import { checkTrust, type Trust } from "./model/trust.ts";

/** All paths are absolute. */
export interface Config {
  readonly file: string;
  readonly repository: {
    readonly url: string;
    readonly ref: string;
    readonly directory: string;
    readonly pollSeconds: number;
  };
  readonly trust: string;
  readonly artifacts:
    | { readonly kind: "directory"; readonly path: string }
    | { readonly kind: "url"; readonly url: string };
  readonly keys: { readonly ssh: string; readonly envelope: string };
  readonly state: {
    readonly directory: string;
    readonly journal: string;
    readonly lock: string;
    /** Tells this controller from another one of the same name. */
    readonly instance: string;
    readonly mirror: string;
    readonly cache: string;
  };
  readonly listen: { readonly address: string; readonly port: number };
  readonly webhook: { readonly secretFile: string } | undefined;
  readonly cron: string | undefined;
  readonly holder: string;
}

/** Throws CutoverError `config-invalid` with every finding, LackingError when there is no such file. */
export async function loadConfig(file: string): Promise<Config> {
  const path = resolve(file);
  return parseConfig(await readSettings(path, "cutover init DIR"), { file: path, hostname: hostname() });
}

/** Pure. `file` is absolute: relative paths in the text start from its directory. */
export function parseConfig(
  text: string,
  { file, hostname }: { readonly file: string; readonly hostname: string },
): Config {
  const { values, problems } = readYaml(text);
  const [yaml, second] = values;
  const placed = problems.map((problem): Diagnostic => ({ severity: "error", file, path: "", ...problem }));
  if (placed.length > 0) throw invalid(file, placed);
  if (yaml === undefined || second !== undefined) {
    throw invalid(file, [
      {
        severity: "error",
        file,
        line: 1,
        column: 1,
        path: "",
        message: `found ${values.length} documents`,
        expected: "exactly one",
      },
    ]);
  }
  const checked = checkValue({ schema: ConfigFile, yaml, file });
  if (checked.kind === "invalid") throw invalid(file, checked.diagnostics);
  const { cron } = checked.value;
  // The schema knows the alphabet only: `99 * * * *` has it, and would never fire.
  if (cron !== undefined && !validate(cron))
    throw invalid(file, [
      {
        severity: "error",
        file,
        ...yaml.place(["cron"], "value"),
        path: "cron",
        message: `${cron} is no time`,
        expected: 'a cron expression such as "*/10 * * * *"',
      },
    ]);
  return fromFile(checked.value, { file, hostname });
}

/** The first Trust, that of the configuration. Throws `config-invalid` unless the file holds exactly one sound Trust document. */
export async function loadTrust(file: string): Promise<Trust> {
  const { documents, diagnostics } = parseDocuments([
    { path: file, text: await readSettings(file, "cutover init DIR") },
  ]);
  if (diagnostics.length > 0) throw invalid(file, diagnostics);
  const document = documents[0]?.document;
  const base = { severity: "error", file, line: 1, column: 1, path: "" } as const;
  if (documents.length !== 1 || document?.kind !== "Trust")
    throw invalid(file, [{ ...base, message: "found something else", expected: "exactly one Trust document" }]);
  const problems = checkTrust(document);
  if (problems.length > 0)
    throw invalid(
      file,
      problems.map(({ message }) => ({ ...base, message })),
    );
  return document;
}

/** The shared secret of the webhook, undefined when there is none; throws LackingError for a file that is missing or empty. */
export async function webhookSecret({ webhook }: Config): Promise<string | undefined> {
  if (webhook === undefined) return undefined;
  const file = webhook.secretFile;
  const remedy = `openssl rand -hex 32 >${file}; chmod 600 ${file}; or remove \`webhook:\` from cutover.yaml`;
  const secret = (await readSettings(file, remedy)).trim();
  if (secret === "") throw new LackingError(`${file}, the secret of the webhook, is empty`, remedy);
  return secret;
}

function fromFile(settings: ConfigFile, { file, hostname }: { file: string; hostname: string }): Config {
  const at = (path: string) => resolve(dirname(file), path);
  const { url } = settings.repository;
  const state = at(settings.state);
  const separator = settings.listen.lastIndexOf(":");
  return {
    file,
    repository: { ...settings.repository, url: isLocalPath(url) ? at(url) : url },
    trust: at(settings.trust),
    artifacts: /^https?:\/\//.test(settings.artifacts)
      ? { kind: "url", url: settings.artifacts }
      : { kind: "directory", path: at(settings.artifacts) },
    keys: { ssh: at(settings.keys.ssh), envelope: at(settings.keys.envelope) },
    state: {
      directory: state,
      journal: join(state, "journal.sqlite"),
      lock: join(state, "controller.lock"),
      instance: join(state, "instance"),
      mirror: join(state, "mirror.git"),
      cache: join(state, "cache"),
    },
    listen: {
      address: settings.listen.slice(0, separator).replace(/^\[|\]$/g, ""),
      port: Number(settings.listen.slice(separator + 1)),
    },
    webhook: settings.webhook === undefined ? undefined : { secretFile: at(settings.webhook.secretFile) },
    cron: settings.cron,
    holder:
      settings.holder ??
      (hostname
        .replace(/[^A-Za-z0-9._-]/g, "-")
        .replace(/^[^A-Za-z0-9]+/, "")
        .slice(0, 63) ||
        "controller"),
  };
}

function isLocalPath(url: string): boolean {
  return !url.includes(":");
}

async function readSettings(file: string, remedy: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new LackingError(`Cannot read ${file} (${reason})`, remedy);
  }
}

function invalid(file: string, diagnostics: readonly Diagnostic[]): CutoverError {
  return new CutoverError({
    code: "config-invalid",
    message: `${file} has ${diagnostics.length === 1 ? "an error" : `${diagnostics.length} errors`}`,
    exitCode: ExitCode.usage,
    evidence: diagnostics.map(formatDiagnostic).join("\n"),
    impact: "Nothing was started",
    remedy: `Correct ${file} and try again`,
  });
}
