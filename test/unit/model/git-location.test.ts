// Addresses and ref names that may reach git, decided before any process starts or any connection is made.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { refNameProblem, repositoryUrlProblem } from "../../../src/model/git-location.ts";

const allowed = [
  "/srv/releases.git",
  "file:///srv/releases.git",
  "https://git.example.org/team/releases.git",
  "https://git.example.org:8443/releases",
  "https://bot@git.example.org/releases.git",
  "ssh://git@git.example.org/releases.git",
  "ssh://git@git.example.org:2222/~/releases.git",
  "git@git.example.org:team/releases.git",
  "git.example.org:releases.git",
  "https://[2001:db8::1]/releases.git",
  "ssh://git@10.0.0.5/releases.git",
];
const refused = [
  "",
  "ext::sh -c 'touch x'",
  "ext::touch",
  "fd::17/x",
  "transport-helper::https://example.org/",
  "http://git.example.org/releases.git",
  "git://git.example.org/releases.git",
  "ftp://git.example.org/x",
  "javascript://x/",
  "file://host/share/x.git",
  "-oProxyCommand=touch",
  "--upload-pack=touch",
  "ssh://-oProxyCommand=touch/x",
  "ssh://git@-oProxyCommand=touch/x",
  "ssh://-oProxyCommand=touch@host/x",
  "-oProxyCommand=touch:x",
  "git@-oProxyCommand=touch:x",
  "git@host:-oProxyCommand",
  "git@host:$(touch x)",
  "git@host:`touch x`",
  "ssh://git@host/$(touch)",
  "ssh://git@host/x;touch",
  "https://user:secret@git.example.org/x",
  "https://git.example.org/x?y",
  "https://git.example.org/x#y",
  "https://git.example.org:0/x",
  "https://git.example.org:99999/x",
  "https://169.254.169.254/latest/meta-data",
  "https://169.254.1.1/x",
  "https://2852039166/x",
  "https://0xa9fea9fe/x",
  "https://0251.0376.0251.0376/x",
  "https://169.254.43518/x",
  "https://[::ffff:169.254.169.254]/x",
  "https://[::ffff:a9fe:a9fe]/x",
  "https://[fe80::1]/x",
  "https://[fd00:ec2::254]/x",
  "https://metadata.google.internal/x",
  "https://METADATA.google.internal./x",
  "https://100.100.100.200/x",
  "https://0.0.0.0/x",
  "ssh://git@169.254.169.254/x",
  "ssh://git@2852039166/x",
  "git@169.254.169.254:x",
  "https://git.example.org\n/x",
  "https://git.example.org/\u0000",
  "https://gіt.example.org/x",
  "releases",
];

test("paths, file, https, ssh and user@host:path addresses are used", () => {
  for (const url of allowed) assert.equal(repositoryUrlProblem(url), undefined, url);
});

test("helpers, options, other protocols, passwords and metadata addresses in any spelling are refused before any connection (T19)", () => {
  for (const url of refused) assert.notEqual(repositoryUrlProblem(url), undefined, url);
});

test("no reason for a refusal repeats a password", () => {
  assert.doesNotMatch(repositoryUrlProblem("https://user:hunter2@git.example.org/x") ?? "", /hunter2/);
});

test("no accepted address begins like an option or holds a character that a shell would read (T18, T19)", () => {
  const piece = fc.constantFrom(
    "-",
    "--",
    "o",
    "=",
    "ssh://",
    "https://",
    "git@",
    "host",
    ":",
    "/",
    "$(",
    ")",
    "`",
    ";",
    " ",
    "\n",
    "::",
    "ext",
    "x",
    "@",
    "[",
    "]",
    "169.254.169.254",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const url = pieces.join("");
      if (url.startsWith("/") || repositoryUrlProblem(url) !== undefined) return;
      assert.doesNotMatch(url, /^-|::(?![0-9a-f]*\])|[\s`$;]|@-|\/\/-|(^|@|\/\/)169\.254/);
    }),
    { numRuns: 3000, seed: 7 },
  );
});

test("ref names are plain words; nothing that git or a shell reads otherwise passes (T18)", () => {
  for (const ref of ["main", "release/2026-11", "v1.10", "refs/heads/main", "feature/a_b+c"])
    assert.equal(refNameProblem(ref), undefined, ref);
  const bad = [
    "",
    "-x",
    "--upload-pack=x",
    "a/-b",
    "a..b",
    "a//b",
    "/a",
    "a/",
    "a.lock",
    "a/.b",
    "a.",
    "@{u}",
    "HEAD~1",
    "a^",
    "a:b",
    "a b",
    "a\n",
    "*",
    "a?",
    "+main:main",
    "a".repeat(201),
  ];
  for (const ref of bad) assert.notEqual(refNameProblem(ref), undefined, ref);
});
