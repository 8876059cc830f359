// What can go wrong around a patch: no signature, a damaged base, a full or read-only disk, no memory. The old version serves, nothing is left, and
// the full artifact is built where that helps.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statfsSync, symlinkSync } from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodePatch, stageBetween } from "../support/hand-made-patch.ts";
import { buildFull, buildOffer, offerPatch, treeState } from "../support/host-patches.ts";
import { digest, makeOffer, type Session, type TestHost, type TreeEntry, withHost } from "../support/host-session.ts";
import { newTree, noise, oldTree } from "../support/patch-trees.ts";
import { inTurn, type Shell, shells } from "../support/shells.ts";
import { skipReason } from "../support/skip-reason.ts";
import { zstdZeros } from "../support/zstd-zeros.ts";

const patch = encodePatch([stageBetween(oldTree, newTree)]);
const offerOf = (host: TestHost, more: Parameters<typeof offerPatch>[1]["more"] = {}) =>
  offerPatch(host, { version: "v2", from: oldTree, to: newTree, patch, more });

/** `v1` is built and current; afterwards it still is, byte for byte, and a failed build has left nothing. */
async function withServing(
  shell: Shell,
  { entries = oldTree, extra = "" }: { readonly entries?: readonly TreeEntry[]; readonly extra?: string },
  work: (host: TestHost, session: Session) => Promise<void>,
): Promise<void> {
  await withHost(shell, { extra }, async (host) => {
    const session = await host.session({});
    await buildFull(host, session, "v1", entries);
    symlinkSync("versions/v1", join(host.root, "current"));
    await work(host, session);
    await session.end();
  });
}

function assertUntouched(host: TestHost, before: string): void {
  assert.equal(treeState(host.root), before);
  assert.deepEqual(
    host.leftovers().filter((path) => !path.includes("/.session-")),
    [],
  );
}

/** Decoders that write down how they are called and with how much memory, before the real ones on the host's PATH. */
const recording = `PATH=$1/../fake:$PATH`;
async function recordDecoders(host: TestHost): Promise<{ calls(): string[] }> {
  const folder = join(host.directory, "fake");
  const log = join(host.directory, "calls");
  await mkdir(folder);
  for (const tool of ["zstd", "bspatch", "xz", "gzip"]) {
    const real = execFileSync("which", [tool], { encoding: "utf8" }).trim();
    await writeFile(
      join(folder, tool),
      `#!/bin/sh\nprintf '%s\\n' "$(ulimit -v) ${tool} $*" >>${log}\nexec ${real} "$@"\n`,
    );
    await chmod(join(folder, tool), 0o755);
  }
  return { calls: () => (existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : []) };
}

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: T12: a patch that is not signed, or not by the right key, or not for this host never reaches a decoder`, () =>
    withServing(shell, { extra: recording }, async (host, session) => {
      const { calls } = await recordDecoders(host);
      const before = treeState(host.root);
      const { stranger, release } = host.keys;
      const offers = {
        "no signature": offerOf(host, { unsigned: true }),
        "an envelope signed by a stranger": offerOf(host, { controllerKey: stranger }),
        "an envelope signed by the release key": offerOf(host, { controllerKey: release }),
        "a release signed by a stranger": offerOf(host, { releaseKeys: [stranger] }),
        "an envelope for another host": offerOf(host, { hosts: ["h2"] }),
        "a base without a patch": makeOffer(host, { version: "v2", entries: newTree, envelope: { base: digest("x") } }),
        "a patch without a base": offerOf(host, { envelope: { base: "none" } }),
        "a bundle by patch": makeOffer(host, {
          ...{ version: "v2", entries: newTree, bundle: [{ path: "do", content: "x", mode: 0o755 }] },
          envelope: { "bundle.codec": "patch" },
        }),
        "more output than the signed tree can need": offerOf(host, {
          envelope: { "tree.output-bytes": "99999999999" },
        }),
        "a longer payload than the signed tree can need": offerOf(host, {
          envelope: { "tree.payload-bytes": "99999999999" },
        }),
        "more memory than a host gives": offerOf(host, { envelope: { "memory-mib": "1025" } }),
      };
      for (const [title, offer] of Object.entries(offers)) {
        assert.match(await buildOffer(host, session, offer), /^offer (65|77) /, title);
        const put = await session.request(
          "put",
          [digest(patch.payload), "0", `${patch.payload.length}`],
          patch.payload,
        );
        assert.equal(put.reason, "not-offered", title);
        const [, built] = await host.run(session, `t12-${title.replaceAll(/[^a-z]/g, "")}`, [
          [host.task("build", "v2")],
        ]);
        assert.equal(built?.event.reason, "not-offered", title);
      }
      const { documents, ...offer } = offerOf(host);
      const other = Buffer.concat([patch.payload.subarray(0, -1), Buffer.from("x")]);
      assert.equal((await host.offer(session, { ...offer, documents })).code, 0);
      const put = await session.request("put", [digest(patch.payload), "0", `${other.length}`], other);
      assert.equal(put.reason, "digest-mismatch", "other bytes than the signed ones");
      assert.deepEqual(calls(), []);
      assertUntouched(host, before);
      assert.match(await buildOffer(host, session, { ...offer, documents }), /^done 0 /);
      assert.ok(
        calls().some((call) => call.includes("--patch-from=")),
        "so it would have been seen",
      );
    }));

  test(`${shell.name}: T13: a decoder has at most 192 MiB of address space beside what is signed, whatever a blob asks for`, () =>
    withServing(shell, { extra: recording }, async (host, session) => {
      const { calls } = await recordDecoders(host);
      const before = treeState(host.root);
      const x: TreeEntry = { path: "x", content: "0123456789" };
      for (const blob of [zstdZeros({ bytes: 10, windowLog: 31 }), zstdZeros({ bytes: 2 ** 32 })]) {
        const bomb = encodePatch([
          { from: oldTree, groups: [{ codec: "zstd-patch", reference: ["bin/app"], files: [x], blob }] },
        ]);
        const offer = offerPatch(host, { version: "v2", from: oldTree, to: [...oldTree, x], patch: bomb });
        assert.ok(offer.payload.length < 200_000);
        assert.match(await buildOffer(host, session, offer), /^failed 65 (decoder-failed|output-too-long) /);
      }
      const limits = calls()
        .filter((call) => call.includes(" -d"))
        .map((call) => Number(call.split(" ")[0]));
      assert.ok(limits.length >= 3 && limits.every((kib) => kib === (64 + 192) * 1024), calls().join("\n"));
      assertUntouched(host, before);
    }));

  test(`${shell.name}: T14, F21: a damaged base is found before a decoder runs; the full artifact is built instead`, () =>
    withServing(shell, { extra: recording }, async (host, session) => {
      const { calls } = await recordDecoders(host);
      const groups = encodePatch([{ ...stageBetween(oldTree, newTree), codec: "none" }]);
      const offer = offerPatch(host, { version: "v2", from: oldTree, to: newTree, patch: groups });
      const turn = async (path: string) => {
        const full = join(host.root, "versions/v1", path);
        const bytes = readFileSync(full);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
        await writeFile(full, bytes);
      };
      await turn("bin/app");
      let before = treeState(host.root);
      assert.match(await buildOffer(host, session, offer), /^failed 65 base-damaged .*bin\/app/);
      assert.deepEqual(
        calls().filter((call) => !call.includes("--help")),
        [],
      );
      assertUntouched(host, before);
      await turn("bin/app");
      await turn("bin/tool");
      before = treeState(host.root);
      assert.match(
        await buildOffer(host, session, offer),
        /^failed 65 verify-failed .*bin\/tool/,
        "what no decoder needed",
      );
      assertUntouched(host, before);
      await turn("bin/tool");
      const manifest = join(host.state, "components/web/releases/v1/manifest");
      const text = readFileSync(manifest, "utf8");
      await writeFile(manifest, text.replace("0755", "0775"));
      assert.match(await buildOffer(host, session, offer), /^failed 65 base-damaged /, "the base's manifest");
      await writeFile(manifest, text);
      const unknown = offerOf(host, { base: digest("x") });
      assert.match(await buildOffer(host, session, unknown), /^offer 66 base-missing /);
      assert.deepEqual(readdirSync(join(host.root, "versions")), ["v1"]);
      await rm(join(host.root, "versions/v1/share"), { recursive: true });
      await mkdir(join(host.directory, "elsewhere"));
      execFileSync("ln", ["-s", join(host.directory, "elsewhere"), join(host.root, "versions/v1/share")]);
      assert.match(
        await buildOffer(host, session, offer),
        /^failed 65 base-damaged /,
        "a directory that became a link",
      );
      assert.deepEqual(readdirSync(join(host.directory, "elsewhere")), []);
      await buildFull(host, session, "v2", newTree);
    }));

  test(`${shell.name}: F25: a decoder that gets no memory fails the build and not the version that serves`, () =>
    withHost(shell, { extra: "ulimit -v 60000" }, async (host) => {
      const session = await host.session({});
      const big = noise(9, 24 * 1024 * 1024);
      const old: TreeEntry[] = [{ path: "big", content: big }];
      const to: TreeEntry[] = [{ path: "big", content: Buffer.concat([big, Buffer.from("more")]) }];
      await buildFull(host, session, "v1", old);
      const before = treeState(host.root);
      for (const codec of ["zstd-patch", "bsdiff"] as const) {
        // bsdiff itself would take half a minute for this; a header is enough to make bspatch ask for memory.
        const blob = Buffer.alloc(64);
        blob.write("BSDIFF40", "latin1");
        blob.writeUInt32LE(1 << 30, 24);
        const stage =
          codec === "zstd-patch"
            ? stageBetween(old, to)
            : { from: old, groups: [{ codec, reference: "same" as const, files: to, blob }] };
        const offer = offerPatch(host, { version: "v2", from: old, to, patch: encodePatch([stage]) });
        assert.match(
          await buildOffer(host, session, offer),
          /^failed (65|71) decoder-failed .*(memory|allocate)/i,
          codec,
        );
        assertUntouched(host, before);
      }
      await session.end();
    }));

  test(
    `${shell.name}: F6, F7, F8: a full or read-only disk ends the build by name, at whatever it was; with room it goes on`,
    { skip: skipReason({ root: true }) },
    () =>
      withHost(shell, {}, async (host) => {
        const mount = (...words: string[]) =>
          execFileSync("mount", ["-t", "tmpfs", "-o", words.join(), "tmpfs", host.base]);
        mount("size=16m", "mode=755");
        try {
          const session = await host.session({});
          await buildFull(host, session, "v1", oldTree);
          const before = treeState(host.root);
          const page = 4096;
          const { blocks, bfree, files, ffree } = statfsSync(host.base);
          const limits = [
            ...[2, 16, 30, 44].map((pages) => `size=${(blocks - bfree + pages) * page}`),
            ...[1, 8, 20].map((inodes) => `nr_inodes=${files - ffree + inodes}`),
            "ro",
          ];
          for (const limit of limits) {
            mount("remount", limit);
            assert.match(await buildOffer(host, session, offerOf(host)), /^failed 7[134] /, limit);
            mount("remount", "rw", "size=16m", "nr_inodes=10000");
            assertUntouched(host, before);
          }
          assert.match(await buildOffer(host, session, offerOf(host)), /^done 0 /);
          await session.end();
        } finally {
          execFileSync("umount", [host.base]);
        }
      }),
  );
}
