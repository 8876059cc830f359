// What a lab is: real test hosts on this machine, and the operator's hand on them. Demo, drills and tests use labs;
// cutover itself reaches the hosts over SSH like any other.
import type { Ran, RunOptions } from "./run-program.ts";

export interface LabHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** `ssh-ed25519 AAAA…`, to be pinned in the Fleet. */
  readonly hostKeys: readonly string[];
  /** Who the controller logs in as once the host is enrolled. */
  readonly user: string;
  /** Where cutover keeps its state on the host (STATE), as the host sees it. */
  readonly stateDirectory: string;
  /** Stands before every component root on this host, empty on a systemd host: hosts of the loopback lab share one file system. */
  readonly prefix: string;
  /** Allowed base of component roots, as contracts write it; on disk it is `prefix` + `baseDirectory`. */
  readonly baseDirectory: string;
  /** The authorized_keys file that the host's sshd reads for `user`, as the host sees it. */
  readonly authorizedKeysFile: string;
  /** A path on the host as this machine sees it; on a systemd host it is valid only while the host is up. */
  pathOf(pathOnHost: string): string;
  /** Operator access that needs neither sshd nor network: as root on a systemd host, as the current user in the loopback lab. */
  run(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The listener and every session die at once; `startSshd` brings it back. */
  stopSshd(): Promise<void>;
  startSshd(): Promise<void>;
  /** Packets are dropped, not refused: a link that was up is now half-open (loopback: sshd is frozen, it connects and never answers). */
  cutNetwork(): Promise<void>;
  restoreNetwork(): Promise<void>;
  /** A clean restart; resolves when the host answers again. */
  reboot(): Promise<void>;
  /** Every process of the host is killed, as in a crash; files stay. */
  crash(): Promise<void>;
  /** After `crash`; resolves when the host answers. */
  boot(): Promise<void>;
}

export interface Lab {
  /** Unique on this machine while the lab is up. */
  readonly id: string;
  readonly kind: "loopback" | "systemd";
  readonly directory: string;
  readonly hosts: readonly LabHost[];
  /** Private key that opens `root` on systemd hosts; the loopback lab has none, its operator is the current user. */
  readonly operatorKey: string | undefined;
  /** Ends every process and removes every file, mount and namespace of the lab; a second call does nothing. */
  down(): Promise<void>;
}

export interface LabRequest {
  /** Must not exist or be empty; `down` removes it. */
  readonly directory: string;
  /** How many (`host-1` …), or their names. */
  readonly hosts: number | readonly string[];
  /** Loopback hosts only: the third part of their first address (default 1), to stay clear of another lab's ports. */
  readonly subnet?: number;
}

/** Names of the requested hosts. */
export function labHostNames(hosts: number | readonly string[]): readonly string[] {
  return typeof hosts === "number" ? Array.from({ length: hosts }, (_, index) => `host-${index + 1}`) : hosts;
}
