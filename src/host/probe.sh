# probe.sh: what this host is and what it runs. Needs no fence; changes nothing but that it has overdue trials taken back.

# probe: data lines `KEY VALUE`, first the machine, then every component in STATE/components and cutover-host. A host whose trust files
# are not sound would refuse everything later: it says so here, before anything is planned on it (T8, T9).
verb_probe() {
	check_trust
	data host "$HOST_NAME"
	data address "$ADDRESS"
	data mode "$MODE"
	data arch "$(uname -m)"
	data kernel "$(uname -r)"
	glibc_version
	[ -z "$GLIBC" ] || data glibc "$GLIBC"
	_shell=$(readlink /proc/$$/exe) || _shell=unknown
	data shell "$_shell"
	data host-script "$HOST_SH_VERSION"
	boot_id
	data boot-id "$BOOT_ID"
	uptime_cs
	data uptime-seconds "$((UPTIME_CS / 100))"
	if [ -d /run/systemd/system ]; then data systemd yes; else data systemd no; fi
	for _tool in zstd xz gzip bspatch curl wget bash setsid systemd-run; do
		if has_tool "$_tool"; then data "tool.$_tool" yes; else data "tool.$_tool" no; fi
	done
	if has_zstd_patch; then data tool.zstd-patch yes; else data tool.zstd-patch no; fi
	_number=0
	_bases=$(kv_set "$STATE/enrolment" base)
	while read -r _base; do
		[ -n "$_base" ] || continue
		free_mb "$_base"
		[ -z "$FREE_MB" ] || data "disk.$_number.free-mb" "$FREE_MB"
		data "base.$_number" "${_base#"$PREFIX"}" # as contracts write it
		_number=$((_number + 1))
	done <<-END
		$_bases
	END
	read_epoch
	data epoch "$EPOCH"
	[ -z "$HOLDER" ] || data holder "$HOLDER"
	RUNNING=
	for _component in "$STATE"/components/*; do
		_component=${_component##*/}
		if is_component "$_component" && [ "$_component" != cutover-host ]; then probe_component "$_component"; fi
	done
	probe_component cutover-host
	probe_unit_order "$RUNNING"
	ok
}

# probe_component COMPONENT: its lines; a component whose contract cannot be used any more is still reported.
probe_component() {
	T_DIR=$STATE/components/$1
	ROOT=
	_built=
	for _release in "$T_DIR"/releases/*/release; do
		[ -f "$_release" ] || continue
		_version=${_release%/release}
		_version=${_version##*/}
		if [ -z "$ROOT" ] && kv_raw "$_release" root && unfield "$RAW"; then place "$1" "$VALUE" && ROOT=$PLACED; fi
		! tree_of_version "$1" "$_version" >/dev/null || _built="$_built $_version"
	done
	[ "$1" != cutover-host ] || ROOT=$STATE/host
	_current=
	_rc=0
	if [ -n "$ROOT" ]; then
		data "component.$1.root" "$ROOT"
		_current=$(current_version "$ROOT") || _rc=$?
		# Somebody pointed it elsewhere: neither a version nor nothing (F28).
		[ "$_rc" -ne 2 ] || _current='?'
	fi
	data "component.$1.current" "$_current"
	probe_tree "$1" "$_current" current-tree
	_committed=$(kv_get "$T_DIR/committed" version) || _committed=
	data "component.$1.committed" "$_committed"
	if [ -n "$_committed" ]; then
		_tree=$(kv_get "$T_DIR/committed" tree) || _tree=
		data "component.$1.committed-tree" "$_tree"
	fi
	for _version in $_built; do data "component.$1.built" "$_version"; done
	read_number "$T_DIR/sequence" || NUMBER=0
	data "component.$1.sequence" "$NUMBER"
	read_number "$T_DIR/floor" || NUMBER=0
	data "component.$1.floor" "$NUMBER"
	probe_overdue "$1"
	probe_facts "component.$1" trial_facts "$1"
	if _run=$(kv_get "$T_DIR/drained" run); then data "component.$1.drained" "$_run"; fi
	case $_current in '' | '?') return 0 ;; esac
	[ -f "$T_DIR/releases/$_current/release" ] || return 0
	RUNNING="$RUNNING $1 $_current"
	(probe_manager "$1" "$_current") || :
}

# probe_manager COMPONENT VERSION: in a subshell, since it sets up a task's variables and a contract that is not allowed any more ends it.
probe_manager() {
	T_FAIL_FILE=/dev/null
	T_COMPONENT=$1
	load_contract "$1" "$2"
	probe_facts "component.$1" manager_facts "$1" "$2"
	! manager_is process || process_tend_log || :
}

# probe_overdue COMPONENT: a trial of an earlier boot that nobody watches is over; where no guard ran at boot, whoever looks first has it taken back.
probe_overdue() {
	find_trial_state "$1"
	case $TRIAL_STATE in armed | reverting) ;; *) return 0 ;; esac
	trial_value "$1" boot-id || return 0
	_boot=$VALUE
	boot_id
	[ "$_boot" != "$BOOT_ID" ] || return 0
	trial_watched "$1" revert || trial_watch "$1" revert 0 || :
}

# probe_tree COMPONENT VERSION KEY
probe_tree() {
	_tree=
	[ -z "$2" ] || _tree=$(tree_of_version "$1" "$2") || _tree=
	[ -z "$_tree" ] || data "component.$1.$3" "$_tree"
}

# probe_facts PREFIX FUNCTION ARG…: its `key value` lines become data lines; another part may not define it.
probe_facts() {
	_prefix=$1
	shift
	command -v "$1" >/dev/null || return 0
	_facts=$("$@" 2>/dev/null) || return 0
	while read -r _key _value; do
		[ -z "$_key" ] || data "$_prefix.$_key" "$_value"
	done <<-END
		$_facts
	END
}

# glibc_version: sets GLIBC, empty where there is another C library.
glibc_version() {
	GLIBC=$(getconf GNU_LIBC_VERSION 2>/dev/null) || GLIBC=
	GLIBC=${GLIBC#glibc }
	case $GLIBC in '' | *[!0-9.]*) GLIBC= ;; esac
}

# free_mb PATH: sets FREE_MB for the file system that holds PATH or its nearest existing parent.
free_mb() {
	_near=$1
	until [ -e "$_near" ]; do _near=${_near%/*}; _near=${_near:-/}; done
	FREE_MB=$(df -Pk "$_near" 2>/dev/null </dev/null | awk 'NR == 2 { printf "%d", $4 / 1024 }') || FREE_MB=
}
