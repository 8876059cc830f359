// A real third-party server in two consecutive published versions: workerd, one binary that needs glibc and nothing else.
import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LackingError } from "../../src/errors.ts";
import { fetchNpmPackage, type PinnedPackage } from "../../src/lab/fetch-npm-package.ts";

const published: Readonly<Record<string, readonly [PinnedPackage, PinnedPackage]>> = {
  x64: [
    {
      package: "@cloudflare/workerd-linux-64",
      version: "1.20261110.1",
      integrity: "sha512-i4080Pp6Q0nwS8OMqt3cbpJoWvbCrIlFKa+4Inbn+y2pWKTVsq6F9bgdi0l8CBZPMszd03gDlQR++dqMbErh2Q==",
    },
    {
      package: "@cloudflare/workerd-linux-64",
      version: "1.20261117.1",
      integrity: "sha512-gZLA8X11m/luZwn+YA3+mDu61vdxNJzpksP/QZqjydKTQ+VUCulsK5gtn9Bqst1p3KJu2kafQpJ1nDQv4B23jA==",
    },
  ],
  arm64: [
    {
      package: "@cloudflare/workerd-linux-arm64",
      version: "1.20261110.1",
      integrity: "sha512-0l+JyYWOhEzTs7yOkIdf1ZzcXd9WalPZ1kD0bBAobFvDhO/1jBnQkS4rzzyUkGV7g8pb3dkfrBP9c2ZiRLOfdw==",
    },
    {
      package: "@cloudflare/workerd-linux-arm64",
      version: "1.20261117.1",
      integrity: "sha512-gxWngFojq41ULKNKb9rpWYvKotN5hT2I/xot+Bpy31cXzrwcTgtDLSMb2t75sW5BJxH7hihFvikgYb577kB3Zg==",
    },
  ],
};

/** Older first. */
export const workerdVersions = ["1.20261110.1", "1.20261117.1"] as const;

/**
 * Writes the artifact tree of one version as `directory`/VERSION: the binary, and a Worker that answers `answer` with the
 * headers given, after `?ms=` milliseconds. Its compatibility date is the binary's own, so an older binary would refuse to serve it.
 */
export async function buildWorkerd(input: {
  readonly directory: string;
  readonly version: (typeof workerdVersions)[number];
  readonly answer: string;
  readonly headers: Readonly<Record<string, string>>;
}): Promise<string> {
  const pinned = published[process.arch]?.find(({ version }) => version === input.version);
  if (pinned === undefined)
    throw new LackingError(`There is no workerd for ${process.arch}`, "npm test on x64 or arm64");
  const binary = join(await fetchNpmPackage({ pinned, keep: { "bin/workerd": 0o755 } }), "bin/workerd");
  const tree = join(input.directory, input.version);
  await mkdir(join(tree, "bin"), { recursive: true, mode: 0o755 });
  await copyFile(binary, join(tree, "bin/workerd"));
  await chmod(join(tree, "bin/workerd"), 0o755);
  await writeFile(join(tree, "config.capnp"), configOf(input));
  await writeFile(
    join(tree, "worker.mjs"),
    `export default {
  async fetch({ url }, { answer, headers }) {
    const ms = Number(new URL(url).searchParams.get("ms"));
    if (ms > 0) await scheduler.wait(ms);
    return new Response(answer, { headers });
  },
};
`,
  );
  return tree;
}

function configOf(input: {
  readonly version: string;
  readonly answer: string;
  readonly headers: Readonly<Record<string, string>>;
}): string {
  const [, year, month, day] = /^1\.(\d{4})(\d\d)(\d\d)\./.exec(input.version) ?? [];
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public"])),  # else it wants CA certificates, which these hosts lack
  ],
  sockets = [(name = "http", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker.mjs", esModule = embed "worker.mjs")],
  compatibilityDate = "${year}-${month}-${day}",
  bindings = [
    (name = "answer", text = ${JSON.stringify(input.answer)}),
    (name = "headers", json = ${JSON.stringify(JSON.stringify(input.headers))}),
  ],
);
`;
}
