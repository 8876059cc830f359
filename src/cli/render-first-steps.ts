// What `cutover` alone says: what it is and the first commands, in the order in which one needs them. Pure.
import { type Line, padEnd, styled } from "./text.ts";

const steps: readonly (readonly [string, string])[] = [
  ["cutover init my-releases", "a release repository and a cutover.yaml that work as they stand"],
  ["cutover validate my-releases", "every mistake in the documents, as file:line:col"],
  ["cutover host enrol …", "once a host, with your own credential"],
  ["cutover publish DIR …", "pack and sign a version of a component"],
  ["git commit -S && git push", "name that version in the release, and ask for it"],
  ["cutover plan", "what would change, host by host; changes nothing"],
  ["cutover reconcile --once", "make it so, once; `cutover serve` does it after every push"],
  ["cutover status --watch", "where everything stands"],
];

export function renderFirstSteps(): Line[] {
  const width = Math.max(...steps.map(([command]) => command.length));
  return [
    [styled("cutover", "strong"), ": push a release to git; every host follows, or goes back by itself"],
    [],
    [styled("First steps", "strong")],
    ...steps.map(([command, meaning]): Line => ["  ", styled(padEnd(command, width), "accent"), `  ${meaning}`]),
    [],
    [
      "See it work first: ",
      styled("cutover lab demo", "accent"),
      "   All commands: ",
      styled("cutover help", "accent"),
    ],
  ];
}
