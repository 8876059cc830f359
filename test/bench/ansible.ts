// The same work by Ansible, as its users do it: an archive unpacked, a link moved, a service restarted.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { type Measured, measured } from "./measure.ts";

export interface AnsibleHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly vars?: Readonly<Record<string, string>>;
}

export interface AnsibleRequest {
  readonly directory: string;
  readonly hosts: readonly AnsibleHost[];
  readonly keyPath: string;
  readonly forks: number;
  readonly tasks: readonly object[];
  readonly timeoutMs?: number;
}

/** Facts are not gathered, connections are kept, modules are piped: as fast as it goes without plugins. */
export async function runPlaybook(request: AnsibleRequest): Promise<Measured> {
  const { directory, hosts, keyPath, forks, tasks } = request;
  await mkdir(directory, { recursive: true });
  const inventory = {
    all: {
      hosts: Object.fromEntries(
        hosts.map(({ name, address, port, user, vars = {} }) => [
          name,
          { ansible_host: address, ansible_port: port, ansible_user: user, ...vars },
        ]),
      ),
      vars: { ansible_ssh_private_key_file: keyPath, ansible_python_interpreter: "/usr/bin/python3" },
    },
  };
  await writeFile(join(directory, "inventory.yaml"), stringify(inventory));
  await writeFile(join(directory, "playbook.yaml"), stringify([{ hosts: "all", gather_facts: false, tasks }]));
  const config = [
    ...[
      "[defaults]",
      `forks = ${forks}`,
      "host_key_checking = False",
      `local_tmp = ${directory}/tmp`,
      "retry_files_enabled = False",
    ],
    ...["[ssh_connection]", "pipelining = True", `control_path_dir = ${directory}/cp`],
    "ssh_args = -o ControlMaster=auto -o ControlPersist=3s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
  ];
  await writeFile(join(directory, "ansible.cfg"), `${config.join("\n")}\n`);
  return measured(["ansible-playbook", "-i", "inventory.yaml", "playbook.yaml"], {
    cwd: directory,
    timeoutMs: request.timeoutMs ?? 600_000,
    env: {
      ANSIBLE_CONFIG: join(directory, "ansible.cfg"),
      ANSIBLE_HOME: join(directory, "ansible"),
      LC_ALL: "C.UTF-8",
    },
  });
}
