// Tar members made by hand, so that tests can also make those that no honest tool writes.

export interface TarMember {
  readonly name: string;
  /** ustar type flag: 0 file, 1 hard link, 2 symlink, 3 and 4 devices, 5 directory, 6 fifo, x and g pax headers. */
  readonly type?: string;
  readonly mode?: number;
  readonly content?: string | Buffer;
  readonly link?: string;
  /** Says another size than the content has. */
  readonly size?: number;
  readonly uid?: number;
  readonly mtime?: number;
}

export function makeTar(members: readonly TarMember[]): Buffer {
  return Buffer.concat([...members.map(block), Buffer.alloc(1024)]);
}

function block({
  name,
  type = "0",
  mode = 0o644,
  content = "",
  link = "",
  size,
  uid = 0,
  mtime = 0,
}: TarMember): Buffer {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  header.write(name, 0, 100);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(0, 116, 8);
  octal(size ?? body.length, 124, 12);
  octal(mtime, 136, 12);
  header.write("        ", 148, "latin1");
  header.write(type, 156, "latin1");
  header.write(link, 157, 100);
  header.write("ustar\x0000", 257, "latin1");
  if (type === "3" || type === "4") {
    octal(1, 329, 8);
    octal(3, 337, 8);
  }
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** A pax extended header for the member that follows. */
export function pax(records: Readonly<Record<string, string>>): TarMember {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (length !== rest + `${length}`.length) length = rest + `${length}`.length;
    return `${length} ${key}=${value}\n`;
  });
  return { name: "PaxHeaders/x", type: "x", content: lines.join("") };
}
