#!/bin/sh
# boot-host.sh BASE DIRECTORY NETNS NAME: runs one systemd host until it powers off, starting it again when it reboots (133).
# To be started in a mount namespace of its own: what is mounted here disappears with the last process of the host.
set -eu
base=$1 directory=$2 netns=$3 name=$4

mount -t overlay overlay -o "lowerdir=$base,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=0755,size=4m tmpfs /run/systemd/nspawn

# A control group for each host, or the hosts' systemds would take each other's processes for their own.
groups=
while read -r _ path type options _; do
	case $type:$options in
	cgroup2:* | cgroup:*name=systemd*) mkdir -p "$path/cutover-$netns" && groups="$groups $path/cutover-$netns" ;;
	esac
done </proc/mounts

# run_host: become the host; its supervisor must not stand beside the payload's group, so only this child moves in.
run_host() {
	for group in $groups; do
		echo 0 >"$group/cgroup.procs"
	done
	export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network # its root may set what concerns its own network, as on a machine of its own
	exec systemd-nspawn -q -D "$directory/root" --boot --settings=no --link-journal=no "--network-namespace-path=/run/netns/$netns" \
		--register=no --keep-unit "--machine=$name" --resolv-conf=off --timezone=off --console=pipe \
		</dev/null >>"$directory/console" 2>&1
}

while :; do
	code=0
	(run_host) || code=$?
	[ "$code" -eq 133 ] || exit "$code"
done
