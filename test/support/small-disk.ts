// A disk of its own for a directory, which a test fills to the last byte or file. Needs root.
import { execFileSync } from "node:child_process";
import { statfsSync } from "node:fs";

/** `limit` takes what is free of it from the disk that is mounted there meanwhile. */
export async function withSmallDisk(path: string, body: (limit: (of: "size" | "nr_inodes") => void) => Promise<void>) {
  const mount = (...words: string[]) => execFileSync("mount", ["-t", "tmpfs", "-o", words.join(), "tmpfs", path]);
  mount("size=16m", "nr_inodes=10000", "mode=700");
  try {
    await body((of) => {
      const { blocks, bfree, bsize, files, ffree } = statfsSync(path);
      mount("remount", of === "size" ? `size=${(blocks - bfree) * bsize}` : `nr_inodes=${files - ffree}`);
    });
  } finally {
    execFileSync("umount", ["--lazy", path]);
  }
}
