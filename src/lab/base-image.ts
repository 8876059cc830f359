// The Debian that every systemd host stands on: made once with debootstrap, kept in the user's cache, never written again.
import { createHash } from "node:crypto";
import { access, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { withFileLock } from "./file-lock.ts";
import { mustRun } from "./run-program.ts";

const SUITE = "bookworm";
const PACKAGES = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "openssh-server",
  "sudo",
  "zstd",
  "xz-utils",
  "iproute2",
  "nftables",
];
/** Raise it when the steps below change. */
const RECIPE = 1;
const BUILD_WITHIN_MS = 600_000;

/** Path of the base image, with `more` Debian packages if any; builds it on the first call (about 45 s), under a lock. `say` hears about that. */
export async function baseImage(say: (line: string) => void, more: readonly string[] = []): Promise<string> {
  const packages = [...PACKAGES, ...more];
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "cutover/lab");
  await mkdir(cache, { recursive: true, mode: 0o755 });
  const key = createHash("sha256")
    .update(JSON.stringify([SUITE, packages, RECIPE, process.arch]))
    .digest("hex")
    .slice(0, 16);
  const base = join(cache, `base-${key}`);
  if (await exists(base)) return base;
  return withFileLock(join(cache, "lock"), BUILD_WITHIN_MS + 60_000, async () => {
    if (await exists(base)) return base;
    for (const left of await readdir(cache)) {
      if (left.startsWith("building-")) await rm(join(cache, left), { recursive: true, force: true });
    }
    say("Building the base image of the lab's hosts (once, about a minute)");
    const building = join(cache, `building-${process.pid}`);
    await buildImage(building, packages);
    await rename(building, base);
    return base;
  });
}

/** debootstrap mounts /proc in its target: in a mount namespace of its own that is gone with it, however it ends. */
async function buildImage(target: string, packages: readonly string[]): Promise<void> {
  const include = `--include=${packages.join(",")}`;
  await mustRun(
    ["unshare", "--mount", "--propagation", "slave", "debootstrap", "--variant=minbase", include, SUITE, target],
    {
      timeoutMs: BUILD_WITHIN_MS,
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    },
  );
  // Nothing that must differ from host to host, or that only slows a boot down.
  const unwanted = [
    "etc/machine-id",
    "etc/hostname",
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "var/log/bootstrap.log",
  ];
  for (const path of unwanted) await rm(join(target, path), { recursive: true, force: true });
  for (const kind of ["rsa", "ecdsa", "ed25519"]) {
    for (const end of ["", ".pub"]) await rm(join(target, `etc/ssh/ssh_host_${kind}_key${end}`), { force: true });
  }
  const masked = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty.target",
  ];
  await mustRun(["systemctl", `--root=${target}`, "mask", ...masked]);
  await writeFile(
    join(target, "etc/ssh/sshd_config.d/lab.conf"),
    "HostKey /etc/ssh/ssh_host_ed25519_key\nMaxStartups 1000\nMaxSessions 1000\nPasswordAuthentication no\n",
  );
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
