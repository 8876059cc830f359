// Five real steps of real programs, as MEASURED.md has them: a Go binary, a C++ binary, a packed binary, a tree of text, a
// large tree of which little changes.
import { fetchNodeRuntimes } from "../../src/lab/demo/fetch-node-runtimes.ts";
import { fetchNpmPackage } from "../../src/lab/fetch-npm-package.ts";

export interface Pair {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly directories: () => Promise<readonly [string, string]>;
}

const node: Pair = {
  name: "node",
  ...{ from: "22.23.2", to: "22.23.3" },
  async directories() {
    const [older, newer] = await fetchNodeRuntimes({});
    return [older.directory, newer.directory];
  },
};

export const pairs: readonly Pair[] = [
  npmPair("esbuild", "@esbuild/linux-x64", [
    ["0.28.1", "sha512-u/anNYF2mmVOEDwLtnQ1wOr3EZ9sTNGLWrsYGYwHWzGA3Si84IOkHXlbWTD1NB+9/1lcnweYKO54uhxZydNzfA=="],
    ["0.28.2", "sha512-4xTZr1FUmSoQW4XIWmit3tzQrUTZM+N3P0XV8xROKYF50XfI7xeO90+1bZvNwxIufQ9hDQVRJH5YhgPVF8A/HQ=="],
  ]),
  npmPair("typescript", "typescript", [
    ["5.8.3", "sha512-p1diW6TqL9L07nNxvRMM7hMMw4c5XOo/1ibL4aAIGmSAt9slTE1Xgw5KWuof2uTOvCg9BY7ZRi+GaF+7sfgPeQ=="],
    ["5.9.3", "sha512-jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw=="],
  ]),
  npmPair("swc", "@swc/core-linux-x64-gnu", [
    ["1.16.21", "sha512-EUJsyrFw3aNE64iQzk3bDqjADgl4l0vpxfwVMjMuZIooNg35yKqvkw3bYNEhQyrBDY0+5kKoiirGLpth3Wf3lA=="],
    ["1.16.22", "sha512-u9hdfNEI3oI/dTRJ+In8G32EgfFpZDvMoI5elIERl6/XfaIzE9gpv4WomhKblAXA1+EYyLfDCS1EFFKQlBXTQQ=="],
  ]),
  npmPair("next", "next", [
    ["16.4.5", "sha512-rmdfsWosjTUO+6R0S3KokoIk6Kj0sWDRTe86tZHdqaWH/oXq/udX3/4xb+YQi7aWbyEFoglDU54kaifLCdXbBw=="],
    ["16.4.6", "sha512-QZJiYhaZLJMo2KpkQGQIwvmd79WVsAWeYIU554a8d7zArS3si/IRy3lBNV/rtYhE70oLwdLYhPAXLPx8HwcwtA=="],
  ]),
  node,
];

type Pinned = readonly [version: string, integrity: string];

function npmPair(name: string, npmName: string, [older, newer]: readonly [Pinned, Pinned]): Pair {
  const fetch = ([version, integrity]: Pinned) =>
    fetchNpmPackage({ pinned: { package: npmName, version, integrity }, keep: "all" });
  return {
    ...{ name, from: older[0], to: newer[0] },
    directories: async () => [await fetch(older), await fetch(newer)],
  };
}
