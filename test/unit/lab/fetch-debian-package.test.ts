// What apt says about versions, read strictly: names and versions go into commands and file names.
import assert from "node:assert/strict";
import { test } from "node:test";
import { debianVersions, fetchDebianPackage, parseMadison } from "../../../src/lab/fetch-debian-package.ts";

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

test("what is no package name or version reaches no command", async () => {
  await assert.rejects(debianVersions(["--version"]), TypeError);
  await assert.rejects(fetchDebianPackage({ name: "nginx", version: "../1" }), TypeError);
  await assert.rejects(fetchDebianPackage({ name: "nginx/x", version: "1" }), TypeError);
});
