// Redraws a picture in place on a terminal, at most ten times a second; lines that last scroll by above it.
import type { Sink } from "./output.ts";
import { type Line, toText } from "./text.ts";

export interface LiveDisplay {
  /** Asks for a redraw; the picture is made when it is drawn. */
  changed(): void;
  /** Prints lines that stay. */
  print(lines: readonly Line[]): void;
  /** Draws nothing any more and takes the picture away. */
  close(): void;
}

const redrawMs = 100;
/** A picture without news still shows time passing. */
const idleMs = 1_000;

export interface LiveDisplayInput {
  readonly sink: Sink;
  readonly color: boolean;
  readonly picture: (size: { readonly columns: number; readonly rows: number }) => readonly Line[];
}

export function makeLiveDisplay({ sink, color, picture }: LiveDisplayInput): LiveDisplay {
  let drawnRows = 0;
  let lastDrawn = 0;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const erase = () => (drawnRows === 0 ? "\r" : `\r\u001b[${drawnRows}A\u001b[J`);
  const draw = (above: readonly Line[] = []) => {
    clearTimeout(timer);
    const columns = sink.columns ?? 80;
    // The last row and column stay free: writing them would scroll or wrap, and the picture would climb.
    const size = { columns: columns - 1, rows: Math.max(2, (sink.rows ?? 24) - 1) };
    const kept = toText(above, { color, width: columns, overflow: "wrap" });
    const rows = toText(picture(size), { color, width: size.columns, overflow: "cut" }).slice(0, size.rows);
    sink.write(`${erase()}${[...kept, ...rows].map((row) => `${row}\n`).join("")}`);
    drawnRows = rows.length;
    lastDrawn = Date.now();
    schedule(idleMs);
  };
  const schedule = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(draw, ms);
    timer.unref();
  };

  return {
    changed() {
      if (closed) return;
      const wait = redrawMs - (Date.now() - lastDrawn);
      if (wait <= 0) draw();
      else schedule(wait);
    },
    print(lines) {
      if (closed || lines.length === 0) return;
      draw(lines);
    },
    close() {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      sink.write(erase());
      drawnRows = 0;
    },
  };
}
