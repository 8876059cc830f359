// T15: archives that no honest publisher makes, behind a valid signature. Whatever the archive says: nothing outside, nothing left behind.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test as underEach } from "node:test";
import { gzipSync } from "node:zlib";
import {
  defaultTree,
  makeOffer,
  membersOf,
  type OfferInput,
  sha256,
  snapshot,
  type TestHost,
  type TreeEntry,
  withHost,
} from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";
import { makeTar, pax, type TarMember } from "../support/tar-block.ts";

const good = membersOf(defaultTree);
const instead = (at: number, ...members: readonly TarMember[]): TarMember[] => [
  ...good.slice(0, at),
  ...members,
  ...good.slice(at + 1),
];
const escapee = "escaped";
/** Index of bin/app in the honest archive. */
const app = good.findIndex(({ name }) => name === "bin/app");
const asApp = (member: Partial<TarMember>): TarMember[] => instead(app, { ...(good[app] ?? { name: "" }), ...member });
const extra = (member: TarMember): TarMember[] => [...good, member];
const up = "../".repeat(12);

/** Each becomes a tar beside the honest manifest. OUT stands for a directory outside that must stay as it is. */
function tars(out: string): Record<string, readonly TarMember[]> {
  const names = [
    `${up}${out.slice(1)}/${escapee}`,
    `${out}/${escapee}`,
    `../${escapee}`,
    `./../${escapee}`,
    `bin/../../${escapee}`,
    "..",
    ".",
    "/",
    "",
    "./bin/app",
    "bin//app",
    "bin/app/",
    "BIN/app",
    "bin/app\n",
    "bin/app\nx",
    "bin\\app",
    " bin/app",
    "bin/app ",
    "x bin/app",
    `${out}/x bin/app`,
    "-rf",
    "--checkpoint-action=exec=sh",
  ];
  return {
    ...Object.fromEntries(names.map((name) => [`the name ${JSON.stringify(name)}`, asApp({ name })])),
    ...Object.fromEntries(
      names.slice(0, 6).map((name) => [`one more member, ${JSON.stringify(name)}`, extra({ name, content: "x" })]),
    ),
    ...Object.fromEntries(
      ["1", "2", "3", "4", "5", "6", "7", "S", "D", "M", "V", "Z"].map((type) => [
        `type ${type} instead of a file`,
        asApp({ type, content: "", link: type === "1" || type === "2" ? `${out}/${escapee}` : "" }),
      ]),
    ),
    "a hard link to a file outside": asApp({ type: "1", content: "", link: `${out}/secret` }),
    "a hard link upwards": asApp({ type: "1", content: "", link: `${up}${out.slice(1)}/secret` }),
    "a hard link to another member": extra({ name: "again", type: "1", link: "bin/app" }),
    "a symlink out, then a write through it": [{ name: "bin", type: "2", link: out }, ...good.slice(1)],
    "a symlink out with the directory's slash": [{ name: "bin/", type: "2", link: out }, ...good.slice(1)],
    "a symlink out before the directory": [{ name: "bin", type: "2", link: out }, ...good],
    "a symlink out after the directory": [
      good[0] ?? { name: "" },
      { name: "bin", type: "2", link: out },
      ...good.slice(1),
    ],
    "the link with an absolute target": instead(good.length - 1, { name: "link", type: "2", link: `${out}/secret` }),
    "the link with a target that climbs": instead(good.length - 1, {
      name: "link",
      type: "2",
      link: `${up}etc/passwd`,
    }),
    "a file twice": instead(app, ...good.slice(app, app + 1), ...good.slice(app, app + 1)),
    "a file twice, the second other": instead(app, good[app] ?? { name: "" }, {
      ...(good[app] ?? { name: "" }),
      content: "evil",
    }),
    "a member less": good.slice(0, -1),
    "no member": [],
    "another order": [...good].reverse(),
    "one member more at the end": extra({ name: "zzz", content: "x" }),
    "one member more in front": [{ name: "aaa", content: "x" }, ...good],
    "a directory more": extra({ name: "zzz/", type: "5", mode: 0o755 }),
    "the marker itself": extra({ name: ".cutover-verified", content: "sha256:00\n" }),
    setuid: asApp({ mode: 0o4755 }),
    setgid: asApp({ mode: 0o2755 }),
    sticky: asApp({ mode: 0o1755 }),
    "another mode": asApp({ mode: 0o777 }),
    "another content of the same size": asApp({ content: "#!/bin/sh\necho HI\n" }),
    "another size": asApp({ content: "short" }),
    "a header that says a huge size": asApp({ size: 0o7777777777 }),
    "a header that says a smaller size": asApp({ size: 1 }),
    "another owner": asApp({ uid: 1000 }),
    "another time": asApp({ mtime: 1_700_000_000 }),
    "a pax name outside": [...good.slice(0, app), pax({ path: `${out}/${escapee}` }), ...good.slice(app)],
    "a pax link target outside": [...good.slice(0, -1), pax({ linkpath: out }), ...good.slice(-1)],
    "a pax size": [...good.slice(0, app), pax({ size: "99999999" }), ...good.slice(app)],
    "a pax header and nothing else": [pax({ path: `${out}/${escapee}` })],
    "a global pax header with a name": [{ ...pax({ path: `${out}/${escapee}` }), type: "g" }, ...good],
    "a GNU long name outside": [
      ...good.slice(0, app),
      { name: "././@LongLink", type: "L", content: `${out}/${escapee}\0` },
      ...good.slice(app),
    ],
    "a GNU long link outside": [
      ...good.slice(0, -1),
      { name: "././@LongLink", type: "K", content: `${out}\0` },
      ...good.slice(-1),
    ],
    "a GNU sparse name": [
      ...good.slice(0, app),
      pax({
        "GNU.sparse.name": `${out}/${escapee}`,
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": "18",
      }),
      ...good.slice(app),
    ],
  };
}

/** Broken below the archive. */
const broken: Record<string, OfferInput> = {
  "no tar at all": { tar: Buffer.from("hello world") },
  "nothing but zeros": { tar: Buffer.alloc(4096) },
  "a cut archive": { tar: makeTar(good).subarray(0, 1500) },
  "a damaged header": { tar: Buffer.concat([Buffer.alloc(512, 0x41), makeTar(good)]) },
  "T5: a gzip bomb past the signed output": { codec: "gzip", payload: gzipSync(Buffer.alloc(64 * 1024 * 1024)) },
  "gzip that is none": { codec: "gzip", payload: Buffer.from("not gzip") },
  "a cut gzip": { codec: "gzip", payload: gzipSync(makeTar(good)).subarray(0, 60) },
  "zstd that is none": { codec: "zstd", payload: Buffer.from("not zstd") },
  "xz that is none": { codec: "xz", payload: Buffer.from("not xz") },
  "T5: output past the signed length": { envelope: { "tree.output-bytes": "1024" } },
};

for (const shell of shells) {
  const test = inTurn(shell.name);
  // Under each at every push: what is refused differs by the tar that the shell brings.
  underEach(`${shell.name}: T15: hostile archives write nothing outside and do not pass for the tree`, () =>
    withHost(shell, {}, async (host) => {
      const out = join(host.directory, "outside");
      await mkdir(out);
      await writeFile(join(out, "secret"), "secret");
      const before = await snapshot(out);
      const inputs = allInputs(out);
      assert.ok(inputs.length >= 60, `${inputs.length} cases`);
      for (const [index, [, input]] of [...inputs, ["honest", {}] as const].entries()) {
        const offer = makeOffer(host, { ...input, unsigned: true });
        const folder = join(host.directory, "cases", `${index}`);
        await mkdir(join(folder, "incoming"), { recursive: true });
        await mkdir(join(folder, "work"));
        await writeFile(join(folder, "manifest"), offer.documents.manifest ?? "");
        await writeFile(join(folder, "envelope"), offer.documents.envelope ?? "");
        await writeFile(join(folder, "incoming", sha256(offer.payload)), offer.payload);
      }
      const said = host.evaluate(`
MODE=user T_RUN=run-1
for STATE in ${host.directory}/cases/*; do
	set +e
	(
		set -e
		T_FAIL_FILE=$STATE/fail
		unpack tree "$STATE/manifest" "$STATE/envelope" "$STATE/work"
	)
	[ $? -ne 0 ] || echo "0 built -" >"$STATE/fail"
	read -r _code _reason _text <"$STATE/fail"
	printf '%s %s %s %s\n' "\${STATE##*/}" "$_code" "$_reason" "$_text"
done`);
      const results = new Map(
        said
          .trimEnd()
          .split("\n")
          .map((line) => [Number(line.split(" ")[0]), line.split(" ").slice(1).join(" ")]),
      );
      // BusyBox passes over headers that GNU tar obeys; then the tree is exactly the signed one, which is as good.
      const ignored = shell.busyBox ? ["a pax size", "a global pax header with a name", "a GNU sparse name"] : [];
      const fine = (title: string) =>
        ignored.includes(title) ? /^0 built/ : /^65 (verify-failed|payload-corrupt|output-too-long)/;
      const wrong = inputs.flatMap(([title], index) =>
        fine(title).test(results.get(index) ?? "") ? [] : [`${title}: ${results.get(index)}`],
      );
      assert.deepEqual(wrong, []);
      assert.match(results.get(inputs.length) ?? "", /^0 built/);
      assert.equal(await snapshot(out), before);
      for (const path of [join(host.directory, escapee), join(host.directory, "cases", escapee), "/escaped"])
        assert.ok(!existsSync(path), path);
    }),
  );

  test(`${shell.name}: T15: a build that fails leaves nothing behind`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const all = new Map(allInputs(host.directory));
      for (const title of [
        "a symlink out, then a write through it",
        "another mode",
        "a cut gzip",
        "T5: output past the signed length",
      ]) {
        assert.match(
          await attempt(host, session, `s${title.length}`, all.get(title) ?? assert.fail(title)),
          /^failed 65 /,
          title,
        );
        assert.ok(!existsSync(join(host.root, "versions/v1")));
        assert.deepEqual(
          host.leftovers().filter((path) => !path.includes(".session-")),
          [],
        );
      }
      assert.match(await attempt(host, session, "good", {}), /^done 0 /, "the honest one is built after all that");
      await session.end();
    }));

  test(`${shell.name}: names that look like something else are built exactly`, () =>
    withHost(shell, {}, async (host) => {
      const entries: TreeEntry[] = [
        "-rf",
        "--help",
        "a b",
        "a -> b",
        "é",
        "$(touch x)",
        "`x`",
        "'q'",
        '"q"',
        "a;b",
        "a&b",
        "*",
        "?",
        "[a]",
        "%41",
        "a\tb",
        "#",
        "~",
        "!",
        "x".repeat(99),
        "x link to y",
      ].map((path) => ({ path, content: path }));
      const session = await host.session({});
      assert.match(
        await attempt(host, session, "odd", {
          entries: [
            ...entries,
            { path: "l -> m", link: "a -> b" },
            { path: "empty", content: "" },
            { path: "none", content: "n", mode: 0o400 },
          ],
        }),
        /^done 0 /,
      );
      assert.equal(await readFile(join(host.root, "versions/v1/$(touch x)"), "utf8"), "$(touch x)");
      await session.end();
    }));

  test(`${shell.name}: every codec is decoded`, () =>
    withHost(shell, {}, async (host) => {
      const { execFileSync } = await import("node:child_process");
      const session = await host.session({});
      for (const [codec, program] of [
        ["gzip", "gzip"],
        ["xz", "xz"],
        ["zstd", "zstd"],
      ] as const) {
        const payload = execFileSync(program, ["-c"], { input: makeTar(good) });
        assert.match(await attempt(host, session, codec, { codec, payload, version: codec }, codec), /^done 0 /, codec);
      }
      await session.end();
    }));
}

function allInputs(out: string): [string, OfferInput][] {
  return [
    ...Object.entries(tars(out)).map(([title, members]): [string, OfferInput] => [title, { tar: makeTar(members) }]),
    ...Object.entries(broken),
  ];
}

/** Offers, sends and builds; `STATE EXIT REASON EVIDENCE` of the build. */
async function attempt(
  host: TestHost,
  session: Awaited<ReturnType<TestHost["session"]>>,
  step: string,
  input: OfferInput,
  version = "v1",
): Promise<string> {
  const offer = makeOffer(host, input);
  const offered = await host.offer(session, offer);
  if (offered.code !== 0) return `offer ${offered.code} ${offered.reason} ${offered.evidence}`;
  const put = await host.put(session, offer.payload);
  if (put.code !== 0) return `put ${put.code} ${put.reason} ${put.evidence}`;
  const events = await host.run(session, step, [[host.task("build", version)]]);
  const { state, exitCode, reason, evidence } = events.at(-1)?.event ?? assert.fail("no event");
  return `${state} ${exitCode} ${reason} ${evidence}`;
}
