// The traffic that `cutover grade` is asked for, from its options and the contract's own health checks. Pure.
import { UsageError } from "../errors.ts";
import type { GradeRequest } from "../lab/grade/grade-component.ts";
import type { Traffic } from "../lab/meter/traffic.ts";
import { type Options, optionalText } from "./command.ts";

type Contract = GradeRequest["subject"]["contract"];
interface Address {
  readonly port: number;
  readonly path: string;
}

export interface GradeTraffic extends Pick<GradeRequest, "traffic" | "ifSpoken"> {
  /** `PORT/PATH` of the health check that requests go to because nobody said where. */
  readonly usual: string | undefined;
}

/** Throws UsageError when nothing says where to send anything. */
export function trafficOf(options: Options, contract: Contract): GradeTraffic {
  const text = (name: string): string | undefined => optionalText(options, name);
  const checked = healthAddress(contract);
  const http = text("http") === undefined ? checked : addressOf("http", text("http") ?? "", checked?.port);
  const at = (name: string): Address => addressOf(name, text(name) ?? "", http?.port);
  const timed = (name: string): Address & { readonly ms: number } => {
    const found = /^(.*)=(\d{1,6})$/.exec(text(name) ?? "");
    if (found === null) throw new UsageError(`--${name} ends in =MILLISECONDS`, "cutover help grade");
    return { ...addressOf(name, found[1] ?? "", http?.port), ms: Number(found[2]) };
  };
  const [tls, body] = [
    options.tls === true ? { tls: true } : {},
    text("body") === undefined ? {} : { body: bodyOf(text("body") ?? "") },
  ];
  const traffic: Traffic[] = [];
  const ifSpoken: Traffic[] = [];
  const asks = http !== undefined && (text("tcp") === undefined || text("http") !== undefined);
  if (asks) {
    traffic.push({ kind: "new", ...http, ...tls, ...body }, { kind: "keep-alive", ...http, ...tls, ...body });
    if (text("http2") === undefined) ifSpoken.push({ kind: "http2", ...http, ...tls, ...body });
  }
  if (text("long") !== undefined) {
    const { ms, ...place } = timed("long");
    traffic.push({ kind: "long", ...place, workMs: ms, ...tls, ...body });
  }
  if (text("http2") !== undefined)
    traffic.push({
      kind: "http2",
      port: portOf("http2", text("http2") ?? ""),
      path: http?.path ?? "/",
      ...tls,
      ...body,
    });
  if (text("websocket") !== undefined) traffic.push({ kind: "websocket", ...at("websocket"), ...tls });
  if (text("events") !== undefined) {
    const { ms, ...place } = timed("events");
    traffic.push({ kind: "sse", ...place, everyMs: ms, ...tls });
  }
  if (text("tcp") !== undefined) traffic.push({ kind: "tcp", port: portOf("tcp", text("tcp") ?? ""), ...tls });
  if (traffic.length === 0)
    throw new UsageError(
      `${contract.name} has no http health check that says where to send requests`,
      `cutover grade ${contract.name} --http PORT/PATH, or --tcp PORT`,
    );
  const usual = asks && text("http") === undefined ? `${http.port}${http.path}` : undefined;
  return { traffic, ifSpoken, usual };
}

function healthAddress({ health }: Contract): Address | undefined {
  const check = health.find((one) => one.kind === "http");
  if (check?.kind !== "http") return undefined;
  const url = new URL(check.url.replace("//self", "//127.0.0.1"));
  return { port: Number(url.port || (url.protocol === "https:" ? 443 : 80)), path: `${url.pathname}${url.search}` };
}

function addressOf(name: string, text: string, usual: number | undefined): Address {
  const found = /^(\d{1,5})?(\/.*)$/.exec(text);
  if (found === null) throw new UsageError(`--${name} ${text} is not PORT/PATH or /PATH`, "cutover help grade");
  if (found[1] === undefined && usual === undefined)
    throw new UsageError(`--${name} ${text} needs a port before its path`, "cutover help grade");
  return { port: found[1] === undefined ? (usual ?? 0) : portOf(name, found[1]), path: found[2] ?? "/" };
}

function portOf(name: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw new UsageError(`--${name} ${text} is not a port`, "cutover help grade");
  return port;
}

function bodyOf(pattern: string): string {
  try {
    new RegExp(pattern);
  } catch {
    throw new UsageError(`--body is no regular expression: ${pattern}`, "cutover help grade");
  }
  return pattern;
}
