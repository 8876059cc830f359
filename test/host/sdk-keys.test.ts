// The SDK's edits of configuration files: the same bytes from sh under every shell and from Python.
import assert from "node:assert/strict";
import { registered } from "../support/full-form.ts";
import { inTurn } from "../support/shells.ts";
import { type SdkCall, sdkLanguages, withSdk } from "../support/with-sdk.ts";

const edits: readonly (readonly [why: string, before: string, call: SdkCall, after: string])[] = [
  ["a key's value", "# c\na=1\nport=80\n", ["edit", "port", "90"], "# c\na=1\nport=90\n"],
  ["spaces around it stay", "port = 80\n", ["edit", "port", "90"], "port = 90\n"],
  ["a colon", "port: 80\nx: 1\n", ["edit", "port", "90"], "port: 90\nx: 1\n"],
  ["a blank", "port 80\nsave 900 1\n", ["edit", "save", "60 5"], "port 80\nsave 60 5\n"],
  ["a key that begins another", "ports=1\nport=80\n", ["edit", "port", "90"], "ports=1\nport=90\n"],
  ["a key that is a word of another", "pool size = 3\npool = 4\n", ["edit", "pool", "5"], "pool size = 3\npool = 5\n"],
  [
    "a key of two words",
    "a = 1\nserver string = x\nb = 2\n",
    ["edit", "server string", "y"],
    "a = 1\nserver string = y\nb = 2\n",
  ],
  [
    "a value that begins with a colon",
    "port 80\nbind ::1\nsave 1 2\n",
    ["edit", "bind", "::2"],
    "port 80\nbind ::2\nsave 1 2\n",
  ],
  ["a value with a sign", "port 80\nuser a=b\n", ["edit", "user", "c=d"], "port 80\nuser c=d\n"],
  ["a comment is no key", "#port=80\n; port=1\n", ["edit", "port", "90"], "#port=80\n; port=1\nport=90\n"],
  ["a new one is written like its neighbours", "a = 1\n", ["edit", "port", "90"], "a = 1\nport = 90\n"],
  ["a new one with blanks", "a 1\n", ["edit", "port", "90"], "a 1\nport 90\n"],
  ["an empty file", "", ["edit", "port", "90"], "port=90\n"],
  ["no newline at the end", "a=1\nport=80", ["edit", "port", "90"], "a=1\nport=90"],
  ["no newline, a new one", "a=1", ["edit", "port", "90"], "a=1\nport=90"],
  ["lines of Windows", "a=1\r\nport=80\r\n", ["edit", "port", "90"], "a=1\r\nport=90\r\n"],
  ["lines of Windows, a new one", "a=1\r\n", ["edit", "port", "90"], "a=1\r\nport=90\r\n"],
  ["an environment file", "export A=1\n  export PORT=80\n", ["edit", "PORT", "9"], "export A=1\n  export PORT=9\n"],
  ["a bare key", "a=1\nport\n", ["edit", "port", "9"], "a=1\nport=9\n"],
  [
    "characters that tools treat as their own",
    "a=1\n",
    ["edit", "a", "x\\n&/$1`'\" %s"],
    "a=1\n".replace("1", () => "x\\n&/$1`'\" %s"),
  ],
  ["bytes that are no UTF-8 stay", "b=\xff\xfe\na=1\n", ["edit", "a", "2"], "b=\xff\xfe\na=2\n"],
  ["a key in a section", "p=0\n[a]\np=1\n[b]\np=2\n", ["edit", "b/p", "3"], "p=0\n[a]\np=1\n[b]\np=3\n"],
  ["a key before all sections", "p=0\n[a]\np=1\n", ["edit", "p", "3"], "p=3\n[a]\np=1\n"],
  ["a new key before all sections", "q=0\n\n[a]\np=1\n", ["edit", "p", "3"], "q=0\np=3\n\n[a]\np=1\n"],
  ["a new key on top", "[a]\np=1\n", ["edit", "q", "3"], "q=3\n[a]\np=1\n"],
  ["a new key in a section", "[a]\np = 1\n\n[b]\nq = 1\n", ["edit", "a/q", "2"], "[a]\np = 1\nq = 2\n\n[b]\nq = 1\n"],
  ["a new key in an empty section", "[a]\n[b]\nq=1\n", ["edit", "a/q", "2"], "[a]\nq=2\n[b]\nq=1\n"],
  ["a new section", "[a]\np=1\n", ["edit", "b/q", "2"], "[a]\np=1\n\n[b]\nq=2\n"],
  ["a key goes", "a=1\nport=80\nb=2\n", ["unset", "port"], "a=1\nb=2\n"],
  ["a key that is not there goes", "a=1\n", ["unset", "port"], "a=1\n"],
  ["the only line goes", "a=1", ["unset", "a"], ""],
  ["a text", "a b a\n", ["replace", "a", "x"], "x b x\n"],
  ["a text by one that holds it", "a b a\n", ["replace", "a", "aa"], "aa b aa\n"],
  ["a text of several lines", "a\nb\nc\n", ["replace", "a\nb", "x"], "x\nc\n"],
  ["a text by nothing", "a b\n", ["replace", " b", ""], "a\n"],
  ["a text that is replaced already", "x\n", ["replace", "a", "x"], "x\n"],
  ["a text with characters of patterns", "a.*b&\\\n", ["replace", ".*b&\\", "&\\1"], "a&\\1\n"],
];

for (const language of sdkLanguages) {
  const test = language.shell === undefined ? registered : inTurn(language.name);
  test(`${language.name}: R35: an edit changes what it names and no other byte, and again changes nothing`, () =>
    withSdk(language, (bench) => {
      const files = edits.map((edit, index) => [`etc/${index}.conf`, ...edit] as const);
      for (const [file, , before] of files) bench.write(file, Buffer.from(before, "latin1"), 0o640);
      const calls = files.map(([file, , , [name, ...args]]): SdkCall => [name, `/${file}`, ...args]);
      for (const _ of [1, 2]) {
        const { exitCode, said } = bench.run(calls);
        assert.equal(exitCode, 0, said);
        for (const [file, why, , , after] of files) {
          assert.equal(bench.read(file), after, why);
          assert.equal(bench.tree().get(file)?.mode, 0o640, why);
        }
      }
      const undone = bench.run([["undo"]], { CUTOVER_ACTION: "undo" });
      assert.equal(undone.exitCode, 0, undone.said);
      for (const [file, why, before] of files) assert.equal(bench.read(file), before, why);
      assert.equal(bench.tree().size, files.length + 1, "nothing is left beside them");
    }));

  test(`${language.name}: R35: what an edit cannot mean is refused with the reason, and nothing is changed`, () =>
    withSdk(language, (bench) => {
      bench.write("etc/app.conf", "a=1\na=2\nb=1\n");
      bench.write("etc/binary", Buffer.from([97, 61, 0, 10]));
      bench.write("srv/app/versions/1/conf", "a=1\n");
      const before = bench.tree();
      const refused: readonly (readonly [SdkCall, RegExp])[] = [
        [["edit", "/etc/app.conf", "a", "3"], /has a more than once/],
        [["get", "/etc/app.conf", "a"], /has a more than once/],
        [["get", "/etc/app.conf", "c"], /has no c/],
        [["edit", "/etc/none", "a", "3"], /is not there/],
        [["edit", "etc/app.conf", "a", "3"], /not an absolute path/],
        [["edit", "/etc/app.conf", "b", "3\n4"], /more than one line/],
        [["edit", "/etc/binary", "a", "3"], /is no text file/],
        [["edit", "/etc", "a", "3"], /is a directory/],
        [["replace", "/etc/app.conf", "z", "y"], /does not hold that text/],
        [["replace", "/etc/app.conf", "", "y"], /does not hold that text/],
        [["edit", "/srv/app/versions/1/conf", "a", "3"], /never changed/],
        [["write_file", "/no/such/dir", "", "x"], /its directory is not there/],
        [["remove", "/"], /not an absolute path/],
        [["raw", ': "$(cutover_get /etc/app.conf c)"', 'cutover.get("/etc/app.conf", "c")'], /has no c/],
        [["raw", 'rm -f "$(cutover_path etc)/etc/app.conf"', 'cutover.path("etc")'], /not an absolute path/],
        [["raw", "(cutover_fail on purpose) | cat", 'raise cutover.Failed("on purpose")'], /cutover: on purpose/],
      ];
      for (const [call, reason] of refused) {
        const { exitCode, said } = bench.run([call, ["say", "went on"]]);
        assert.ok(
          exitCode === 1 || exitCode === (call[0] === "raw" ? 143 : 1),
          `${call.join(" ")}: ${exitCode} ${said}`,
        );
        assert.match(said, reason);
        assert.doesNotMatch(said, /went on/);
      }
      assert.deepEqual(bench.tree(), before);
    }));

  test(`${language.name}: R35: a value is read as it was before this task, so that computing from it can be repeated`, () =>
    withSdk(language, (bench) => {
      bench.write("etc/app.conf", "threads = 4\n[s]\nx= y z\n");
      const get = (...args: string[]): string => bench.run([["get", "/etc/app.conf", ...args]]).said;
      assert.equal(get("threads"), "4\n");
      assert.equal(get("s/x"), "y z\n");
      assert.equal(get("s/none", "default"), "default\n");
      bench.run([
        ["edit", "/etc/app.conf", "threads", "8"],
        ["unset", "/etc/app.conf", "s/x"],
      ]);
      assert.equal(bench.read("etc/app.conf"), "threads = 8\n[s]\n");
      assert.equal(get("threads"), "4\n", "as before");
      assert.equal(get("s/x"), "y z\n", "as before");
      assert.equal(
        bench.run([
          ["replace", "/etc/app.conf", "= 8", "= 9"],
          ["replace", "/etc/app.conf", "= 9", "= 10"],
        ]).exitCode,
        0,
      );
      assert.equal(
        bench.run([["replace", "/etc/app.conf", "= 8", "= 9"]]).exitCode,
        0,
        "a later edit replaced it once more",
      );
    }));
}
