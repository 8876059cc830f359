# Enrolment: makes a host one of ours, or brings it up to date. Run once with the operator's own credential, never by the controller: as root
# `sh -s` (mode system), or as the plain user (mode user, the loopback lab). Safe to repeat; what is as it should be is not touched.
#
# Inputs, set as quoted shell variables in front of this text:
#   E_MODE             system | user
#   E_STATE            absolute path of the state directory (system: /var/lib/cutover)
#   E_HOST             name of this host in the Fleet
#   E_ADDRESS          its pinned address, what `self` means; may be empty: 127.0.0.1
#   E_BASES            absolute base directories below which components may live, one a line
#   E_PREFIX           user mode: stands before every path that a contract names, in a lab where a host is a directory; E_BASES include it; may be empty
#   E_THRESHOLD        how many distinct release keys must sign
#   E_JUMP             largest jump of a release sequence; may be empty: 1000
#   E_RELEASE_KEYS     public release keys, `TYPE BASE64`, one a line
#   E_CONTROLLER_KEYS  public keys that may sign envelopes, the same form
#   E_SSH_KEYS         public keys that may log in to open a session, the same form
#   E_REVOKED          revoked public keys, the same form; empty: what is revoked here already stays
#   E_AUTHORIZED_KEYS  user mode: the authorized_keys file to keep our lines in; empty: ~/.ssh/authorized_keys; `-`: none
#   E_REPLACE          yes: this host may be enrolled under another name, and host.sh may be replaced by E_HOST_SH; else empty
#   E_HOST_SH_VERSION  version of E_HOST_SH
#   E_HOST_SH E_STUB E_ENTER   the texts of host.sh, stub.sh, enter.sh
#
# Prints `key value` lines: mode, host, state, version (of host.sh that is current), user, guard enabled|none, changed yes|no, and for every public
# host key of sshd `host-key TYPE BASE64`. Exit codes as everywhere: 64 bad input, 69 something missing here, 73 cannot create, 77 refused.
set -eu
LC_ALL=C
export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}
export PATH
umask 077
CHANGED=no
LIB=/usr/local/lib/cutover

die() { # CODE TEXT
	printf 'cutover: enrolment: %s\n' "$2" >&2
	exit "$1"
}

# put_file FILE MODE: stdin becomes its content, atomically; an equal file is left alone.
put_file() {
	_new=$1.new.$$
	{ cat >"$_new" && chmod "$2" "$_new"; } || die 73 "cannot write $1"
	if [ -f "$1" ] && [ ! -L "$1" ] && cmp -s "$1" "$_new" && [ "$(stat -c '%a %u' "$1")" = "$(stat -c '%a %u' "$_new")" ]; then
		rm -f "$_new"
		return 0
	fi
	sync "$_new" 2>/dev/null || sync
	mv -fT "$_new" "$1" || die 73 "cannot write $1"
	: >"$E_STATE/.changed" # at the end of a pipe a variable would be lost
}

put_dir() { # DIR MODE
	[ ! -L "$1" ] || die 77 "$1 is a symlink"
	if [ ! -d "$1" ]; then
		mkdir -p "$1" || die 73 "cannot create $1"
		CHANGED=yes
	fi
	chmod "$2" "$1"
}

check_path() { # NAME PATH: absolute, canonical, only bytes that need no quoting anywhere
	case $2/ in
	[!/]* | *//* | */./* | */../* | *[!A-Za-z0-9._~:@+=,/-]*) die 64 "$1 is not a plain absolute path: $2" ;;
	esac
	[ "${#2}" -gt 1 ] || die 64 "$1 may not be /"
}

check_keys() { # NAME KEYS NEEDED
	_any=no
	while read -r _type _key _more; do
		[ -n "$_type" ] || continue
		case $_type in [!a-z]* | *[!a-z0-9@.-]*) die 64 "$1: not a public key" ;; esac
		case $_key in '' | *[!A-Za-z0-9+/=]*) die 64 "$1: not a public key" ;; esac
		[ -z "$_more" ] || die 64 "$1: a key is TYPE BASE64 and nothing else"
		_any=yes
	done <<-END
		$2
	END
	[ "$_any" = yes ] || [ "$3" = no ] || die 64 "$1: no key, so nothing could ever be accepted"
}

check_input() {
	case $E_MODE in system | user) ;; *) die 64 "E_MODE is system or user" ;; esac
	case $E_HOST in '' | [!a-z0-9]* | *[!a-z0-9.-]*) die 64 "not a host name: $E_HOST" ;; esac
	case $E_ADDRESS in -* | *[!A-Za-z0-9.:-]*) die 64 "not an address: $E_ADDRESS" ;; esac
	case $E_THRESHOLD in '' | *[!0-9]* | 0*) die 64 "E_THRESHOLD is at least 1" ;; esac
	case $E_JUMP in *[!0-9]* | 0?*) die 64 "E_JUMP is a number" ;; esac
	case $E_HOST_SH_VERSION in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._+-]*) die 64 "not a version: $E_HOST_SH_VERSION" ;; esac
	check_path E_STATE "$E_STATE"
	[ -z "$E_PREFIX" ] || { [ "$E_MODE" = user ] && check_path E_PREFIX "$E_PREFIX"; } || die 64 "E_PREFIX is for mode user"
	[ -n "$E_BASES" ] || die 64 "E_BASES names no directory"
	for _base in $E_BASES; do check_path E_BASES "$_base"; done
	check_keys E_RELEASE_KEYS "$E_RELEASE_KEYS" yes
	check_keys E_CONTROLLER_KEYS "$E_CONTROLLER_KEYS" yes
	check_keys E_SSH_KEYS "$E_SSH_KEYS" no
	check_keys E_REVOKED "$E_REVOKED" no
	[ "$(printf '%s\n' "$E_RELEASE_KEYS" | sort -u | grep -c .)" -ge "$E_THRESHOLD" ] || die 64 "E_THRESHOLD is more than there are release keys"
	{ [ -n "$E_HOST_SH" ] && [ -n "$E_STUB" ]; } || die 64 "E_HOST_SH or E_STUB is empty"
	if [ "$E_MODE" = system ]; then
		[ "$(id -u)" -eq 0 ] || die 77 "mode system needs root"
		[ -n "$E_ENTER" ] || die 64 "E_ENTER is empty"
	fi
}

# check_machine: what host.sh stands on, each missing thing by name.
check_machine() {
	_lacks=
	for _tool in ssh-keygen flock sha256sum awk tar dd find stat readlink mktemp mkfifo setsid timeout sort od; do
		command -v "$_tool" >/dev/null || _lacks="$_lacks $_tool"
	done
	[ "$E_MODE" = user ] || command -v sudo >/dev/null || _lacks="$_lacks sudo"
	[ "$E_MODE" = user ] || [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null || _lacks="$_lacks sshd"
	[ -z "$_lacks" ] || die 69 "this host lacks:$_lacks"
	case $(ssh-keygen -Y check-novalidate -n x -s /dev/null </dev/null 2>&1) in
	*'unknown option'* | *'illegal option'* | *'invalid option'*) die 69 "this host's ssh-keygen has no -Y: OpenSSH 8.2 or newer is needed" ;;
	esac
	[ "$(printf abcdef | dd bs=4 iflag=fullblock,count_bytes count=5 2>/dev/null)" = abcde ] || die 69 "this host's dd has no iflag=fullblock,count_bytes"
	{ [ -r /proc/uptime ] && [ -r /proc/sys/kernel/random/boot_id ]; } || die 69 "/proc is not there"
}

signers() { # PRINCIPAL NAMESPACE KEYS
	printf '%s\n' "$3" | grep . | sort -u | while read -r _type _key; do printf '%s namespaces="%s" %s %s\n' "$1" "$2" "$_type" "$_key"; done
}

write_trust() {
	if [ -f "$E_STATE/enrolment" ] && [ "$E_REPLACE" != yes ] && ! grep -qxF -e "host $E_HOST" "$E_STATE/enrolment"; then
		die 77 "this host is enrolled as $(sed -n 's/^host //p' "$E_STATE/enrolment") already; E_REPLACE=yes would rename it"
	fi
	put_dir "$E_STATE" 700
	for _dir in trust host incoming offers components bundles runs; do put_dir "$E_STATE/$_dir" 700; done
	signers release cutover-release "$E_RELEASE_KEYS" | put_file "$E_STATE/trust/release_signers" 600
	signers controller cutover-envelope "$E_CONTROLLER_KEYS" | put_file "$E_STATE/trust/controllers" 600
	# An empty list takes nothing back that was revoked on this host before.
	if [ -n "$E_REVOKED" ] || [ ! -f "$E_STATE/trust/revoked" ]; then
		printf '%s\n' "$E_REVOKED" | grep . | put_file "$E_STATE/trust/revoked" 600
	fi
	for _base in $E_BASES; do
		[ -d "$_base" ] || (umask 022 && mkdir -p "$_base") || die 73 "cannot create $_base"
	done
	{
		printf 'address %s\nformat cutover-enrolment/1\nhost %s\njump %s\nmode %s\nthreshold %s\n' \
			"${E_ADDRESS:-127.0.0.1}" "$E_HOST" "${E_JUMP:-1000}" "$E_MODE" "$E_THRESHOLD"
		[ -z "$E_PREFIX" ] || printf 'prefix %s\n' "$E_PREFIX"
		for _base in $E_BASES; do printf 'base %s\n' "$_base"; done
	} | sort -u | put_file "$E_STATE/enrolment" 600
}

# write_host_sh: the first version of component cutover-host. A later one, that came signed through cutover, is never replaced unasked.
write_host_sh() {
	_root=$E_STATE/host
	if [ -f "$_root/current/host.sh" ] && [ "$E_REPLACE" != yes ]; then return 0; fi
	if [ -f "$_root/current/.cutover-verified" ] && [ "$(printf '%s\n' "$E_HOST_SH" | sha256sum)" = "$(sha256sum <"$_root/current/host.sh")" ]; then return 0; fi
	put_dir "$_root/versions" 755
	_final=$_root/versions/$E_HOST_SH_VERSION
	_new=$_root/.building-enrolment
	rm -rf "$_new"
	mkdir "$_new"
	printf '%s\n' "$E_HOST_SH" >"$_new/host.sh"
	chmod 755 "$_new/host.sh" # as it is published: the same text is the same version and tree, however it came
	sh -n "$_new/host.sh" || die 70 "this host's sh cannot parse host.sh"
	_sum=$(sha256sum <"$_new/host.sh")
	_tree=$(printf 'host.sh f 0755 %s %s\n' "$(stat -c %s "$_new/host.sh")" "${_sum%% *}" | sha256sum)
	_tree=sha256:${_tree%% *}
	printf '%s\n' "$_tree" >"$_new/.cutover-verified"
	chmod 755 "$_new"
	sync -f "$_new" 2>/dev/null || sync
	if [ "$(readlink "$_root/current" || :)" = "versions/$E_HOST_SH_VERSION" ]; then
		# Another text of the version that is current: file by file, so that at no instant there is no host.sh (P1). Without its marker in between.
		rm -f "$_final/.cutover-verified"
		mv -fT "$_new/host.sh" "$_final/host.sh" && { sync "$_final" 2>/dev/null || sync; } && mv -fT "$_new/.cutover-verified" "$_final/.cutover-verified" || die 73 "cannot replace $_final"
		rm -rf "$_new"
	else
		[ ! -e "$_final" ] || rm -rf "$_final"
		mv -T "$_new" "$_final" || die 73 "cannot create $_final"
	fi
	sync "$_final" "$_root/versions" 2>/dev/null || sync # before current names it
	rm -f "$_root/.current.new"
	{ ln -s "versions/$E_HOST_SH_VERSION" "$_root/.current.new" && mv -T "$_root/.current.new" "$_root/current"; } || die 73 "cannot point $_root/current at it"
	sync "$_root" 2>/dev/null || sync
	put_dir "$E_STATE/components/cutover-host" 700
	printf 'run enrolment\ntree %s\nversion %s\n' "$_tree" "$E_HOST_SH_VERSION" | put_file "$E_STATE/components/cutover-host/committed" 600
	CHANGED=yes
}

stub_text() { printf '%s\n' "$E_STUB" | sed -e "s|@STATE@|$E_STATE|g" -e "s|@MODE@|$E_MODE|g"; }

login_lines() { # COMMAND
	printf '%s\n' "$E_SSH_KEYS" | grep . | while read -r _type _key; do printf 'restrict,command="%s" %s %s cutover\n' "$1" "$_type" "$_key"; done
}

enter_user_mode() {
	stub_text | put_file "$E_STATE/stub" 700
	USER_NAME=$(id -un)
	[ "$E_AUTHORIZED_KEYS" != - ] || return 0
	_file=${E_AUTHORIZED_KEYS:-$HOME/.ssh/authorized_keys}
	case $_file in /*) ;; *) die 64 "E_AUTHORIZED_KEYS is not absolute" ;; esac
	[ -d "${_file%/*}" ] || put_dir "${_file%/*}" 700
	# Our lines are those with our command; everybody else's stay.
	{
		[ ! -f "$_file" ] || grep -vF "command=\"$E_STATE/stub\"" "$_file" || :
		login_lines "$E_STATE/stub"
	} | put_file "$_file" 600
}

enter_system_mode() {
	USER_NAME=cutover
	if ! id cutover >/dev/null 2>&1; then
		if command -v useradd >/dev/null; then
			useradd --system --user-group --home-dir /var/lib/cutover-login --shell /bin/sh cutover </dev/null >&2
		else
			adduser -S -D -H -h /var/lib/cutover-login -s /bin/sh cutover </dev/null >&2
		fi || die 73 "cannot create the user cutover"
		CHANGED=yes
	fi
	# No password fits `*`, but unlike `!` it is no lock, which sshd without PAM would refuse.
	if command -v usermod >/dev/null; then usermod -p '*' cutover </dev/null >&2; fi
	(umask 022 && mkdir -p "$LIB" /var/lib/cutover-login/.ssh) || die 73 "cannot create $LIB"
	for _dir in "$LIB" /var/lib/cutover-login /var/lib/cutover-login/.ssh; do
		chown 0:0 "$_dir"
		chmod 755 "$_dir"
	done
	stub_text | put_file "$LIB/stub" 755
	printf '%s\n' "$E_ENTER" | put_file "$LIB/enter" 755
	# Owned by root: whoever gets in as cutover cannot add a key.
	login_lines "$LIB/enter" | put_file /var/lib/cutover-login/.ssh/authorized_keys 644
	_sudo="Defaults:cutover !use_pty,env_reset
cutover ALL=(root) NOPASSWD: $LIB/stub ssh-session, $LIB/stub ssh-version"
	if command -v visudo >/dev/null; then
		printf '%s\n' "$_sudo" >"$E_STATE/.sudoers"
		# Before sudo 1.9.14 use_pty may be unknown, and is off.
		visudo -cqf "$E_STATE/.sudoers" >/dev/null 2>&1 </dev/null || _sudo=$(printf '%s\n' "$_sudo" | sed 's/!use_pty,//')
		rm -f "$E_STATE/.sudoers"
	fi
	(umask 022 && mkdir -p /etc/sudoers.d)
	printf '%s\n' "$_sudo" | put_file /etc/sudoers.d/cutover 440
	write_guard
}

# write_guard: takes back, at boot and before sshd, what nobody confirmed (P8).
write_guard() {
	[ -d /run/systemd/system ] || [ -d /etc/systemd/system ] || return 0
	command -v systemctl >/dev/null || return 0
	put_file /etc/systemd/system/cutover-guard.service 644 <<-END
		[Unit]
		Description=Take back cutover releases that nobody confirmed before this boot
		DefaultDependencies=no
		RequiresMountsFor=$E_STATE
		After=local-fs.target
		Before=sysinit.target

		[Service]
		Type=oneshot
		ExecStart=$LIB/stub guard

		[Install]
		WantedBy=sysinit.target
	END
	[ ! -d /run/systemd/system ] || systemctl daemon-reload </dev/null >&2 || :
	systemctl enable cutover-guard.service </dev/null >&2 || die 71 "cannot enable cutover-guard.service"
	GUARD=enabled
}

report() {
	[ ! -e "$E_STATE/.changed" ] || CHANGED=yes
	rm -f "$E_STATE/.changed"
	printf 'mode %s\nhost %s\nstate %s\n' "$E_MODE" "$E_HOST" "$E_STATE"
	_link=$(readlink "$E_STATE/host/current")
	printf 'version %s\nuser %s\nguard %s\nchanged %s\n' "${_link#versions/}" "$USER_NAME" "$GUARD" "$CHANGED"
	for _key in /etc/ssh/ssh_host_*_key.pub; do
		[ -f "$_key" ] || continue
		read -r _type _base64 _ <"$_key" || :
		printf 'host-key %s %s\n' "$_type" "$_base64"
	done
}

GUARD=none
E_PREFIX=${E_PREFIX-}
check_input
check_machine
write_trust
write_host_sh
if [ "$E_MODE" = system ]; then enter_system_mode; else enter_user_mode; fi
report
