// Settings as git keeps them in a config file: all of a fresh clone's in one write, where `git config` takes one a process.

/** A name is `section.key` or `section.subsection.key`; one that is named twice has two values. */
export function gitConfigText(settings: readonly (readonly [name: string, value: string])[]): string {
  return settings.map(([name, value]) => `${headOf(name)}\n\t${keyOf(name)} = ${quoted(value)}\n`).join("");
}

function headOf(name: string): string {
  const [section, ...rest] = name.split(".").slice(0, -1);
  return rest.length === 0 ? `[${section}]` : `[${section} ${quoted(rest.join("."))}]`;
}

function keyOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}
