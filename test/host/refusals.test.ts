// What a host refuses to believe. Each case is one thing wrong in an otherwise good offer; the disk must stay as it was (P2, P13).
import assert from "node:assert/strict";
import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  makeOffer,
  type Offer,
  type OfferInput,
  sha256,
  sign,
  snapshot,
  type TestHost,
  withHost,
} from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";

interface Case {
  readonly title: string;
  readonly input?: OfferInput | ((host: TestHost) => OfferInput);
  /** Last word on the documents, signatures included. */
  readonly forge?: (offer: Offer, host: TestHost) => Readonly<Record<string, string>>;
  readonly code: number;
  readonly reason: string;
}
const releaseOf = (value: Record<string, string | undefined>): OfferInput => ({ release: value });
const envelopeOf = (value: Record<string, string | undefined>): OfferInput => ({ envelope: value });
const otherDigest = `sha256:${sha256("other")}`;
const bundle = [{ path: "do", content: "x", mode: 0o755 }];

const cases: readonly Case[] = [
  {
    title: "T7: a release signed by a key that nobody enrolled",
    input: (host) => ({ releaseKeys: [host.keys.stranger] }),
    code: 77,
    reason: "bad-signature",
  },
  {
    title: "T10: a release signature of another namespace",
    forge: ({ documents }, { keys }) => ({ "release.sig": sign(keys.release, "git", documents.release ?? "") }),
    code: 77,
    reason: "bad-signature",
  },
  {
    title: "T10: an envelope signature used for a release",
    forge: ({ documents }, { keys }) => ({
      "release.sig": sign(keys.release, "cutover-envelope", documents.release ?? ""),
    }),
    code: 77,
    reason: "bad-signature",
  },
  {
    title: "T29: an envelope signed by the release key",
    input: (host) => ({ controllerKey: host.keys.release }),
    code: 77,
    reason: "bad-signature",
  },
  {
    title: "a release changed by one byte after signing",
    forge: ({ documents }) => ({
      release: (documents.release ?? "").replace("deadline.seconds 60", "deadline.seconds 61"),
    }),
    code: 77,
    reason: "bad-signature",
  },
  {
    title: "garbage for a signature",
    forge: () => ({ "release.sig": "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n" }),
    code: 77,
    reason: "bad-signature",
  },
  { title: "no signature block", forge: () => ({ "release.sig": "hello\n" }), code: 77, reason: "bad-signature" },
  {
    title: "seventeen signature blocks",
    forge: ({ documents }) => ({ "release.sig": (documents["release.sig"] ?? "").repeat(17) }),
    code: 77,
    reason: "bad-signature",
  },
  {
    title: "P13: an archive longer than the signed tree can be",
    input: envelopeOf({ "tree.output-bytes": "10000000" }),
    code: 77,
    reason: "length-not-allowed",
  },
  {
    title: "P13: a payload much longer than its archive",
    input: envelopeOf({ "tree.payload-bytes": "999999999999999" }),
    code: 77,
    reason: "length-not-allowed",
  },
  {
    title: "T13: a decoder that may have all memory",
    input: envelopeOf({ "memory-mib": "999999999999999" }),
    code: 77,
    reason: "length-not-allowed",
  },
  { title: "an unknown key in the release", input: releaseOf({ "exec.shell": "rm" }), code: 65, reason: "bad-release" },
  { title: "another format", input: releaseOf({ format: "cutover-release/2" }), code: 65, reason: "bad-release" },
  { title: "a release without a tree", input: releaseOf({ tree: undefined }), code: 65, reason: "bad-release" },
  {
    title: "T2: a sequence of 2^63",
    input: releaseOf({ sequence: "9223372036854775808" }),
    code: 65,
    reason: "bad-release",
  },
  { title: "an expired release", input: releaseOf({ expires: "1000" }), code: 77, reason: "expired" },
  { title: "T35: root in /etc", input: releaseOf({ root: "/etc" }), code: 77, reason: "root-not-allowed" },
  { title: "a root of which no directory is there", input: releaseOf({ root: "/not-there/web" }), code: 77, reason: "root-not-allowed" }, // biome-ignore format: one line
  {
    title: "T35: root with ..",
    input: (host) => releaseOf({ root: `${host.base}/../etc` }),
    code: 65,
    reason: "bad-release",
  },
  {
    title: "T35: root is the base itself",
    input: (host) => releaseOf({ root: host.base }),
    code: 77,
    reason: "root-not-allowed",
  },
  {
    title: "T35: root is the state directory",
    input: (host) => releaseOf({ root: `${host.state}/x` }),
    code: 77,
    reason: "root-not-allowed",
  },
  {
    title: "T35: a base's name as a prefix only",
    input: (host) => releaseOf({ root: `${host.base}x/web` }),
    code: 77,
    reason: "root-not-allowed",
  },
  {
    title: "T35: backup of /root/.ssh",
    input: releaseOf({ "backup.1": "/root/.ssh" }),
    code: 77,
    reason: "backup-not-allowed",
  },
  {
    title: "T35: backup of the versions",
    input: (host) => releaseOf({ "backup.1": `${host.root}/versions` }),
    code: 77,
    reason: "backup-not-allowed",
  },
  {
    title: "T35: backup of what holds the versions",
    input: (host) => releaseOf({ "backup.1": host.root }),
    code: 77,
    reason: "backup-not-allowed",
  },
  {
    title: "T35: LD_PRELOAD in the environment",
    input: releaseOf({ "env.1": "LD_PRELOAD=/tmp/x.so" }),
    code: 65,
    reason: "bad-release",
  },
  { title: "T23: a unit that is an option", input: releaseOf({ "unit.1": "--now" }), code: 65, reason: "bad-release" },
  {
    title: "T23: a start that climbs",
    input: releaseOf({ "switch.start": "bin/../../x" }),
    code: 65,
    reason: "bad-release",
  },
  {
    title: "T23: a task file with a slash",
    input: releaseOf({ "task.a.do": "../x" }),
    code: 65,
    reason: "bad-release",
  },
  { title: "an envelope for other hosts", input: { hosts: ["h2", "h11"] }, code: 77, reason: "wrong-host" },
  { title: "an envelope of another epoch", input: envelopeOf({ epoch: "2" }), code: 77, reason: "envelope-epoch" },
  { title: "an envelope of another run", input: envelopeOf({ run: "run-2" }), code: 77, reason: "envelope-run" },
  { title: "an expired envelope", input: envelopeOf({ expires: "1000" }), code: 77, reason: "envelope-expired" },
  {
    title: "T4: an envelope for another release",
    input: envelopeOf({ release: otherDigest }),
    code: 77,
    reason: "envelope-mismatch",
  },
  {
    title: "T4: an envelope for another tree",
    input: envelopeOf({ tree: otherDigest }),
    code: 77,
    reason: "envelope-mismatch",
  },
  {
    title: "T4: an envelope for another component",
    input: envelopeOf({ component: "other" }),
    code: 77,
    reason: "envelope-mismatch",
  },
  {
    title: "T4: an envelope for another version",
    input: envelopeOf({ version: "v9" }),
    code: 77,
    reason: "envelope-mismatch",
  },
  {
    title: "T4: an envelope for another bundle",
    input: { bundle, envelope: { bundle: otherDigest } },
    code: 77,
    reason: "envelope-mismatch",
  },
  {
    title: "T4: an envelope with half a bundle",
    input: { bundle, envelope: { "bundle.codec": undefined } },
    code: 65,
    reason: "bad-envelope",
  },
  {
    title: "T4: a bundle that the release does not know",
    input: { bundle, release: { bundle: undefined } },
    code: 77,
    reason: "envelope-mismatch",
  },
  { title: "an unknown key in the envelope", input: envelopeOf({ extra: "1" }), code: 65, reason: "bad-envelope" },
  {
    title: "T4: the manifest of another tree",
    forge: () => ({ manifest: "x f 0644 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n" }),
    code: 65,
    reason: "manifest-mismatch",
  },
  { title: "sizes that do not add up", input: releaseOf({ "tree.bytes": "1" }), code: 65, reason: "bad-manifest" },
  { title: "a count that is wrong", input: releaseOf({ "tree.files": "7" }), code: 65, reason: "bad-manifest" },
  ...[
    "../x f 0644 0 -",
    "/x f 0644 0 -",
    "a/b f 0644 0 -",
    "x p 0644 0 -",
    "x f 4755 0 -",
    "x f 0644 -1 -",
    "./x f 0644 0 -",
    "x//y f 0644 0 -",
    "x%0Ay f 0644 0 -",
    "x%5Cy f 0644 0 -",
    "x%00 f 0644 0 -",
    "%78 f 0644 0 -",
    ".cutover-verified f 0644 0 -",
    "x l 0777 0 /etc",
    "x l 0777 0 ../y",
    "x l 0777 0 a/../../y",
    "x l 0644 0 y",
    "x d 0755 5 -",
    "x f 0644 0 y z",
  ].map(
    (line): Case => ({
      title: `T15: manifest line ${line}`,
      input: { manifest: `${line.replace(/ -$/, line.includes(" d ") ? " -" : ` ${sha256("")}`)}\n` },
      code: 65,
      reason: "bad-manifest",
    }),
  ),
  {
    title: "T15: a manifest that is not sorted",
    input: { manifest: `b f 0644 0 ${sha256("")}\na f 0644 0 ${sha256("")}\n` },
    code: 65,
    reason: "bad-manifest",
  },
  {
    title: "T15: a bundle with a directory",
    input: { bundle: [{ path: "d", directory: true }, ...bundle] },
    code: 65,
    reason: "bad-manifest",
  },
  {
    title: "T15: a bundle with a link",
    input: { bundle: [{ path: "l", link: "do" }, ...bundle] },
    code: 65,
    reason: "bad-manifest",
  },
];

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: ${cases.length} wrong offers are refused by name, the disk stays as it was`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const before = await diskOf(host);
      const wrong: string[] = [];
      for (const { title, input = {}, forge, code, reason } of cases) {
        const offer = makeOffer(host, typeof input === "function" ? input(host) : input);
        const answer = await host.offer(session, {
          ...offer,
          documents: { ...offer.documents, ...forge?.(offer, host) },
        });
        if (answer.code !== code || answer.reason !== reason)
          wrong.push(`${title}: ${answer.code} ${answer.reason} ${answer.evidence}, expected ${code} ${reason}`);
      }
      assert.deepEqual(wrong, []);
      assert.equal(await diskOf(host), before);
      assert.equal((await host.offer(session, makeOffer(host))).code, 0, "the same session still takes a good one");
      await session.end();
    }));

  test(`${shell.name}: T1, T2: below the floor and beyond the jump is refused, the highest sequence is remembered`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const answer = async (sequence: number) => {
        const { code, reason } = await host.offer(session, makeOffer(host, { version: `v${sequence}`, sequence }));
        return code === 0 ? "ok" : `${code} ${reason}`;
      };
      assert.equal(await answer(5000), "ok", "the first one seen may be any");
      assert.equal(await answer(6000), "ok");
      assert.equal(await answer(7001), "77 sequence-jump");
      assert.equal(await answer(10), "ok", "going back is allowed above the floor");
      await writeFile(join(host.state, "components/web/floor"), "11\n", { mode: 0o600 });
      assert.equal(await answer(10), "77 below-floor");
      assert.equal(await answer(11), "ok");
      await session.end();
    }));

  test(`${shell.name}: T7: two of two distinct keys; one key twice does not count, a revoked one neither`, () =>
    withHost(shell, { threshold: 2, releaseSigners: ["release", "release2"] }, async (host) => {
      const session = await host.session({});
      const { release, release2 } = host.keys;
      const answer = async (releaseKeys: string[]) =>
        (await host.offer(session, makeOffer(host, { releaseKeys }))).reason || "ok";
      assert.equal(await answer([release]), "bad-signature");
      assert.equal(await answer([release, release]), "bad-signature");
      assert.equal(await answer([release, release2]), "ok");
      await host.put(session, makeOffer(host, { releaseKeys: [release, release2] }).payload);
      assert.equal((await host.run(session, "build", [[host.task("build", "v1")]])).at(-1)?.event.state, "done");
      const { readFile } = await import("node:fs/promises");
      await writeFile(join(host.state, "trust/revoked"), await readFile(`${release2}.pub`), { mode: 0o600 });
      assert.equal(await answer([release, release2]), "bad-signature");
      const switched = (await host.run(session, "switch", [[host.task("switch", "v1")]])).at(-1)?.event;
      assert.equal(switched?.reason, "bad-signature", "what is built is not switched to either, also without a check");
      await session.end();
      assert.deepEqual(host.leftovers(), []);
    }));

  test(`${shell.name}: T8, T9: without trust files, with threshold 0, or when others can write them, nothing is accepted`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const answer = async () => {
        const { code, reason } = await host.offer(session, makeOffer(host));
        return `${code} ${reason}`;
      };
      for (const path of ["trust/release_signers", "trust/controllers", "trust/revoked", "trust", "enrolment", "."]) {
        const full = join(host.state, path);
        const mode = path === "." || path === "trust" ? 0o700 : 0o600;
        for (const bad of [mode | 0o020, mode | 0o002]) {
          await chmod(full, bad);
          assert.equal(await answer(), "78 unsafe-permissions", `${path} ${bad.toString(8)}`);
        }
        await chmod(full, mode);
      }
      const enrolment = join(host.state, "enrolment");
      const { readFile } = await import("node:fs/promises");
      const text = await readFile(enrolment, "utf8");
      await writeFile(enrolment, text.replace("threshold 1", "threshold 0"));
      assert.equal(await answer(), "78 trust-empty");
      await writeFile(enrolment, text);
      for (const file of ["release_signers", "controllers"]) {
        const full = join(host.state, "trust", file);
        const content = await readFile(full);
        await writeFile(full, "");
        assert.equal(await answer(), "78 trust-empty", file);
        await writeFile(full, content);
      }
      assert.equal(await answer(), "0 ", "all is well again");
      await rm(join(host.state, "trust/revoked"));
      assert.equal(await answer(), "78 trust-missing");
      await session.end();
    }));
}

/** Everything that an offer could have touched; the session's own directory aside. */
async function diskOf(host: TestHost): Promise<string> {
  const all = await snapshot(host.directory);
  return all
    .split("\n")
    .filter((line) => !line.includes("/.session-"))
    .join("\n");
}
