// What is written as a config file, git itself reads as it was meant.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gitConfigText } from "../../../src/app/git-config-text.ts";
import { withTemporaryDirectory } from "../../support/temporary-directory.ts";

test("git reads every value back, whatever it holds, and values of one name in their order", () =>
  withTemporaryDirectory(async (home) => {
    const settings = [
      ["user.name", "operator"],
      ["user.signingKey", `/home/a "quoted" \\ back; # no comment\tand  blanks `],
      ["gpg.ssh.allowedSignersFile", "/ä/ü\nsecond line"],
      ["remote.origin.url", "/srv/x"],
      ["remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"],
      ["remote.origin.fetch", "+refs/notes/*:refs/notes/*"],
      ["branch.main.v1.2.remote", ""],
    ] as const;
    const file = join(home, "config");
    writeFileSync(file, `[core]\n\tbare = false\n${gitConfigText(settings)}`);
    for (const [name, value] of settings) {
      const read = execFileSync("git", ["config", "--file", file, "--null", "--get-all", name], { encoding: "utf8" });
      const all = settings.flatMap(([each, one]) => (each === name ? [one] : []));
      assert.deepEqual(read.split("\0").slice(0, -1), all, `${name}: ${value}`);
    }
  }));
