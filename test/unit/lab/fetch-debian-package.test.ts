// What apt says about versions, read strictly: names and versions go into commands and file names.
import assert from "node:assert/strict";
import { test } from "node:test";
import { debianVersions, fetchDebianPackage, parseMadison, releasesOf } from "../../../src/lab/fetch-debian-package.ts";

const said = `     nginx | 1.22.1-9+deb12u10 | http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
     nginx | 1.22.1-9+deb12u9 | http://deb.debian.org/debian bookworm/main amd64 Packages
     nginx | 1.22.1-9+deb12u9 | http://deb.debian.org/debian bookworm-updates/main amd64 Packages
     nginx | 1.22.1-9+deb12u9 | http://deb.debian.org/debian bookworm/main Sources
redis-tools | 5:7.0.15-1~deb12u7 | http://deb.debian.org/debian bookworm/main amd64 Packages
     nginx | --option | http://deb.debian.org/debian bookworm/main amd64 Packages
`;

test("versions come newest first and once, of the package that was asked for", () => {
  assert.deepEqual(parseMadison(said, "nginx"), ["1.22.1-9+deb12u10", "1.22.1-9+deb12u9"]);
  assert.deepEqual(parseMadison(said, "redis-tools"), ["5:7.0.15-1~deb12u7"]);
  assert.deepEqual(parseMadison("", "nginx"), []);
});

test("every source has a release file by which its lists are found or missed", () => {
  const uris = `'http://deb.debian.org/debian/dists/bookworm/InRelease' deb.debian.org_debian_dists_bookworm_InRelease 0
'http://deb.debian.org/debian/dists/bookworm/main/binary-amd64/Packages.xz' deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages 0
'http://deb.debian.org/debian-security/dists/bookworm-security/InRelease' deb.debian.org_debian-security_dists_bookworm-security_InRelease 0
`;
  assert.deepEqual(releasesOf(uris), [
    "deb.debian.org_debian_dists_bookworm_InRelease",
    "deb.debian.org_debian-security_dists_bookworm-security_InRelease",
  ]);
});

test("what is no package name or version reaches no command", async () => {
  await assert.rejects(debianVersions(["--version"]), TypeError);
  await assert.rejects(fetchDebianPackage({ name: "nginx", version: "../1" }), TypeError);
  await assert.rejects(fetchDebianPackage({ name: "nginx/x", version: "1" }), TypeError);
});
