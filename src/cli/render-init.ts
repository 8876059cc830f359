// What `cutover init` made, and what to type next. Pure.
import { type Line, padEnd, styled } from "./text.ts";

export interface InitView {
  readonly directory: string;
  readonly config: string;
  readonly repository: string;
  readonly work: string;
}

export function renderInit({ directory, config, repository, work }: InitView): Line[] {
  const parts: readonly (readonly [string, string])[] = [
    [config, "the controller's settings"],
    [`${directory}/trust.yaml`, "whose commits and releases are believed"],
    [`${directory}/keys`, "private keys: back them up, move keys/release off this machine"],
    [repository, "the release repository (bare)"],
    [work, "your clone: edit here, commit (signed), push"],
  ];
  const width = Math.max(...parts.map(([path]) => path.length));
  return [
    [styled("ready:", "good"), ` ${directory}`],
    ...parts.map(([path, meaning]): Line => ["  ", styled(padEnd(path, width), "strong"), `  ${meaning}`]),
    [styled("next:", "accent"), ` cd ${directory} && cutover help host enrol`],
  ];
}
