// The grammars of values in a host contract. Every one of them refuses a leading dash and whitespace,
// so that no field can become an option or a command on the way to a host (T23).
import { z } from "zod";

const segment = "(?!\\.{1,2}(?:/|$))[A-Za-z0-9._~:@+=,][A-Za-z0-9._~:@+=,-]*";

export const AbsolutePath = z
  .string()
  .max(1024)
  .regex(new RegExp(`^(?:/${segment})+$`), "an absolute path without `.`, `..`, spaces or a trailing slash")
  .meta({ id: "AbsolutePath" });

export const RelativePath = z
  .string()
  .max(1024)
  .regex(new RegExp(`^${segment}(?:/${segment})*$`), "a path inside the tree, without `.` or `..`")
  .meta({ id: "RelativePath" });

export const UnitName = z
  .string()
  .max(255)
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_:.@-]*\.(?:service|socket|target|timer|path|mount)$/,
    "a systemd unit such as web.service",
  )
  .meta({ id: "UnitName" });

export const SocketUnitName = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_:.@-]*\.socket$/, "a systemd socket unit such as web.socket")
  .meta({ id: "SocketUnitName" });

export const TaskName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "lower-case letters, digits and dashes, starting with a letter, at most 63")
  .meta({ id: "TaskName" });
export type TaskName = z.infer<typeof TaskName>;

export const TaskFile = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "the plain name of an executable in the task bundle")
  .meta({ id: "TaskFile" });

export const SignalName = z
  .enum(["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH"])
  .meta({ id: "SignalName", description: "A signal without the SIG prefix" });

export const NumericVersion = z
  .string()
  .regex(/^[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}$/, 'digits and dots in quotes, such as "5.10"')
  .meta({ id: "NumericVersion" });

export const CheckAddress = z
  .string()
  .regex(/^(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9A-Fa-f:]{2,45})$/, "an IP address, a host name, or `self`")
  .meta({ id: "CheckAddress", description: "`self` is the address that was pinned when the host was enrolled" });

export const CheckUrl = z
  .string()
  .max(1024)
  .regex(
    /^https?:\/\/(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:]{2,45}\])(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~:/@+=,%?&-]*)?$/,
    "an http or https URL without credentials",
  )
  .meta({
    id: "CheckUrl",
    description: "`self` as the host name is the address that was pinned when the host was enrolled",
  });

const environmentGrammar = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const reservedEnvironment =
  /^(?:LD_.*|DYLD_.*|PATH|IFS|ENV|CDPATH|PS4|SHELLOPTS|BASHOPTS|BASH_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NOTIFY_SOCKET|LISTEN_.*|CUTOVER_.*)$/;

/** Why a contract may not set this environment variable; undefined when it may (T35). */
export function environmentProblem(name: string): string | undefined {
  if (!environmentGrammar.test(name)) return "expected letters, digits and underscores, at most 64";
  if (reservedEnvironment.test(name))
    return "it changes how programs are found, loaded or handed over, so a contract may not set it";
  return undefined;
}
