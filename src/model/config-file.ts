// cutover.yaml: the controller's own settings, as written. `config.ts` turns it into absolute paths.
import { z } from "zod";
import { refNameProblem, repositoryUrlProblem } from "./git-location.ts";

const Path = z
  .string()
  .regex(/^(?!-)[^\p{Cc}]{1,1000}$/u, "a path without control characters or a leading dash")
  .describe("Relative to the directory of cutover.yaml");

const RepositoryAddress = z.string().superRefine((url, context) => {
  const relativePath = /^\.{0,2}[A-Za-z0-9_./-]*$/.test(url) && !url.startsWith("-");
  const problem = relativePath && url !== "" ? undefined : repositoryUrlProblem(url);
  if (problem !== undefined)
    context.addIssue({ code: "custom", message: `this repository address is refused: ${problem}` });
});

const RefName = z.string().superRefine((ref, context) => {
  const problem = refNameProblem(ref);
  if (problem !== undefined) context.addIssue({ code: "custom", message: `this ref name is refused: ${problem}` });
});

export const ConfigFile = z
  .strictObject({
    repository: z.strictObject({
      url: RepositoryAddress.describe("A path, a file, https or ssh URL, or git@host:path"),
      ref: RefName.default("main").describe("The branch that is followed"),
      directory: z
        .string()
        .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/, "a relative path such as releases")
        .default("releases"),
      pollSeconds: z
        .int()
        .min(1)
        .max(86_400)
        .default(30)
        .describe("Time between two looks, beside pushes and webhooks"),
    }),
    trust: Path.default("trust.yaml").describe("The first Trust document; later ones come from accepted commits"),
    artifacts: z
      .union([z.string().regex(/^https?:\/\/[\x21-\x7e]+$/, "a directory or an http(s) URL"), Path])
      .default("artifacts")
      .describe("Where published versions are: a directory or a URL"),
    keys: z
      .strictObject({
        ssh: Path.default("keys/controller").describe("Private key that hosts let in"),
        envelope: Path.default("keys/envelope").describe("Private key that signs envelopes and notes"),
      })
      .prefault({}),
    state: Path.default("state").describe("Journal, mirror and cache of the controller"),
    listen: z
      .string()
      .regex(/^([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):([1-9][0-9]{0,4})$/, "address:port")
      .default("127.0.0.1:8474"),
    webhook: z.strictObject({ secretFile: Path }).optional().describe("Without a secret there is no webhook"),
    cron: z
      .string()
      .regex(/^[0-9A-Za-z*,/-]+( [0-9A-Za-z*,/-]+){4,5}$/, "a cron expression of five or six fields")
      .optional()
      .describe("Also reconcile at these times"),
    holder: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "letters, digits and . _ -, at most 63")
      .optional()
      .describe("Name of this controller in leases and notes; the host name by default"),
  })
  .meta({ id: "ConfigFile", title: "cutover.yaml", description: "Settings of the controller" });
export type ConfigFile = z.infer<typeof ConfigFile>;
