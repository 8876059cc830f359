// The files that `cutover init` writes. They work as they stand; the comments say what to change first.
import { modeline } from "./schemas.ts";

export function configText(): string {
  return `# Settings of the cutover controller. Relative paths start from this directory. Every value below but the first is the default.
repository:
  url: releases.git          # a path, a file, https or ssh URL, or git@host:path
  ref: main
  directory: releases
  pollSeconds: 30
trust: trust.yaml            # pins whom the first commit is checked against; later Trust documents come from accepted commits
artifacts: artifacts         # a directory, or an http(s) URL
keys:
  ssh: keys/controller       # hosts let this key in, for one fixed command
  envelope: keys/envelope    # signs envelopes and status notes
state: state                 # journal, mirror, cache
listen: 127.0.0.1:8474
# webhook: { secretFile: keys/webhook }   # without a secret there is no webhook
# cron: "*/15 * * * *"                    # also look at these times
# holder: controller-1                    # the name in leases and notes; the host name by default
`;
}

export function trustText(keys: {
  readonly release: string;
  readonly envelope: string;
  readonly operator: string;
}): string {
  return `# Whose signatures count. A commit is checked against the Trust of the last accepted commit, never its own.
apiVersion: cutover/v1
kind: Trust
releaseKeys:                 # sign published versions; move keys/release to a machine that is not online
  - ${keys.release}
threshold: 1
controllerKeys:              # keys/envelope
  - ${keys.envelope}
commitSigners:               # who may commit; only an admin may change this document
  - name: operator
    publicKey: ${keys.operator}
    roles: [admin, operator]
`;
}

export function fleetText(): string {
  return `${modeline({ kind: "Fleet", schemas: "../schemas" })}
# The machines. Enrol a host, then list it here with its pinned host keys.
apiVersion: cutover/v1
kind: Fleet
hosts: []
#  - name: web1
#    address: 192.0.2.11
#    hostKeys:                # from /etc/ssh/ssh_host_ed25519_key.pub on the host, without the comment
#      - ssh-ed25519 AAAA...
#    labels: { role: web, site: north }
#    components: [hello]
`;
}

/** Taken out of its comment (\`# \` at each line's start), everything below the first blank line is valid. */
export function exampleText(): string {
  const documents = `apiVersion: cutover/v1
kind: Component
name: hello
root: /srv/cutover/hello
manager: systemd
units: [hello.service]
switch:
  strategy: restart
health:
  - kind: http
    url: http://self:8080/healthz
    samples: 5
---
apiVersion: cutover/v1
kind: Release
components:
  - name: hello
    version: "1.0.0"          # always in quotes: 1.10 without them is the number 1.1
    depends_on: []
strategy: rolling
rollback_policy: auto
`;
  const commented = documents.replace(/^(?=.)/gm, "# ");
  return `${modeline({ kind: "Document", schemas: "../schemas" })}
# A component (how it lives on a host) and a release (which version shall run). Publish a version, then take the marks away.

${commented}`;
}

export function ignoreText(): string {
  return "keys/\nstate/\nartifacts/\nreleases.git/\nwork/\n";
}
