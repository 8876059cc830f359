// Which repository addresses and ref names are ever handed to git (T17–T19). Refused here, before any process or connection.

/** Cloud metadata services answer whoever asks from inside; no release repository lives there. */
const metadataNames = new Set([
  "metadata",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
]);
const metadataAddresses = new Set([
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "[fd00:ec2::254]",
  "[fd20:ce::254]",
]);

/** Why an address is refused; undefined when it may be used: an absolute path, file, https or ssh URL, or user@host:path. */
export function repositoryUrlProblem(url: string): string | undefined {
  if (url === "" || url.length > 1000) return "it is empty or longer than 1,000 characters";
  if (!/^[\x21-\x7e]+$/.test(url)) return "it holds spaces, control or non-ASCII characters";
  if (url.startsWith("-")) return "it starts with a dash and would be read as an option";
  if (url.startsWith("/")) return undefined;
  if (/^[A-Za-z0-9+.-]*::/.test(url)) return "remote helpers such as ext:: run programs";
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return scpProblem(url);
  if (scheme === "file")
    return /^file:\/\/\/[^?#]+$/i.test(url) ? undefined : "a file URL names an absolute path: file:///srv/releases.git";
  if (scheme !== "https" && scheme !== "ssh") return `only file, https and ssh are used, not ${scheme}`;
  return networkProblem(url);
}

/** `git@host:path`: host and path must not look like options to ssh or to the far side's shell. */
function scpProblem(url: string): string | undefined {
  const parts =
    /^([a-z_][a-z0-9_-]{0,31}@)?([A-Za-z0-9][A-Za-z0-9.-]{0,252}):(?!:)([A-Za-z0-9_~/.][A-Za-z0-9_~/.+@-]*)$/.exec(url);
  if (parts?.[2] === undefined)
    return "it is neither an absolute path, nor a file, https or ssh URL, nor user@host:path";
  return hostProblem(parts[2]);
}

function networkProblem(url: string): string | undefined {
  const parts =
    /^[a-z]+:\/\/(?:([^@/]*)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]{0,252})(?::([0-9]{1,5}))?(\/[A-Za-z0-9_~/.+@%,=-]*)$/i.exec(
      url,
    );
  if (parts?.[2] === undefined) return "it holds no plain host and path";
  const [, user, host, port] = parts;
  if (user?.includes(":")) return "it holds a password; use a credential helper or a key";
  if (user !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(user))
    return "its user name could be read as an option";
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return "its port is not a port";
  return hostProblem(host ?? "");
}

/** Every spelling of an address (decimal, hex, octal, mapped) is brought to one form before it is compared. */
function hostProblem(host: string): string | undefined {
  const plain = URL.canParse(`https://${host}/`) ? new URL(`https://${host}/`).hostname.replace(/\.$/, "") : undefined;
  if (plain === undefined || plain === "") return "its host is not a host";
  const mapped = /^\[::(?:ffff:)?([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(plain);
  const address = mapped === null ? plain : dotted(mapped[1] ?? "0", mapped[2] ?? "0");
  const linkLocal = address.startsWith("169.254.") || /^\[fe[89ab][0-9a-f]:/.test(address);
  const unspecified = address === "0.0.0.0" || address === "[::]";
  if (linkLocal || unspecified || metadataNames.has(address) || metadataAddresses.has(address))
    return "metadata and link-local addresses are never asked";
  return undefined;
}

function dotted(high: string, low: string): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}

/** Why a ref name is refused; stricter than git-check-ref-format: no leading dash anywhere, no `@{`, no pattern characters. */
export function refNameProblem(ref: string): string | undefined {
  if (ref.length === 0 || ref.length > 200) return "it is empty or longer than 200 characters";
  if (!/^[A-Za-z0-9][A-Za-z0-9._/+-]*$/.test(ref))
    return "it holds characters other than letters, digits and . _ / + -, or does not start with a letter or digit";
  if (ref.split("/").some((part) => part === "" || /^[.-]/.test(part) || /(\.|\.lock)$/.test(part)))
    return "a part of it is empty, starts with . or -, or ends with . or .lock";
  if (ref.includes("..")) return "it holds two dots";
  return undefined;
}
