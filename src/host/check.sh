# check.sh: whether a built version can run here at all, asked before anything is touched. Every problem is named, not only the first.

# lacks TEXT: one more problem.
lacks() { LACKS="${LACKS:+$LACKS; }$1"; }

# task check do: the contract's needs, what its strategy and checks need, and the whole tree again. 69 needs-missing names every problem.
task_check_do() {
	load_contract "$T_COMPONENT" "$T_VERSION"
	make_dir "$T_DIR"
	WORK=$(mktemp -d "$T_DIR/.check.XXXXXX") || fail 73 cannot-create "cannot create a directory in $T_DIR"
	trap 'remove_tree "$WORK"' EXIT
	trap 'exit 71' HUP INT TERM
	check_contract "$WORK"
	verify_version "$T_COMPONENT" "$T_VERSION" "$WORK" || {
		disown_version
		fail 65 verify-failed "$PROBLEM"
	}
	LACKS=$(root_problem)
	check_machine
	check_ports
	check_strategy
	[ -z "$LACKS" ] || fail 69 needs-missing "$LACKS"
	kv_raw "$CONTRACT" tree
	printf 'verified %s\n' "$RAW"
}

# disown_version: a damaged version that nobody needs to go on or back to is no version any more, so that the next run builds it anew (F21).
disown_version() {
	component_lock "$T_COMPONENT" 2 || return 0
	for _needed in "$(current_version "$ROOT" || :)" "$(kv_get "$T_DIR/committed" version || :)" $(trial_versions "$T_COMPONENT"); do
		[ "$_needed" != "$T_VERSION" ] || return 0
	done
	rm -f "$ROOT/versions/$T_VERSION/.cutover-verified"
}

# task check undo: nothing was changed.
task_check_undo() { printf 'nothing to undo\n'; }

# root_problem: prints what is wrong with a root that is reached through a link; nothing when it is not. Which version a process runs is told by
# where its files really are.
root_problem() {
	real_path "$ROOT" || return 0
	[ "$REAL" = "$ROOT" ] || echo "root $ROOT is reached through a link and really is $REAL: name that one, below a base that is no link"
}

# at_least HAVE WANTED: dotted numbers, compared number by number; what follows the digits (6.1.0-18-amd64) does not count.
at_least() {
	awk -v have="$1" -v want="$2" 'BEGIN {
		sub(/[^0-9.].*$/, "", have)
		n = split(have, h, "."); m = split(want, w, ".")
		for (i = 1; i <= (n > m ? n : m); i++) if (h[i] + 0 != w[i] + 0) exit !(h[i] + 0 > w[i] + 0)
	}'
}

check_machine() {
	_arches=$(kv_list "$CONTRACT" needs.arch)
	_arch=$(uname -m)
	if [ -n "$_arches" ] && ! printf '%s\n' "$_arches" | grep -qxF -e "$_arch"; then
		lacks "architecture $_arch found, $(printf '%s' "$_arches" | tr '\n' ' ')needed"
	fi
	if _wanted=$(kv_get "$CONTRACT" needs.kernel); then
		_found=$(uname -r)
		at_least "$_found" "$_wanted" || lacks "kernel $_found found, $_wanted needed"
	fi
	if _wanted=$(kv_get "$CONTRACT" needs.glibc); then
		glibc_version
		if [ -z "$GLIBC" ]; then
			lacks "no glibc found, $_wanted needed"
		else
			at_least "$GLIBC" "$_wanted" || lacks "glibc $GLIBC found, $_wanted needed"
		fi
	fi
	_wanted=$(kv_list "$CONTRACT" needs.library)
	for _library in $_wanted; do
		has_library "$_library" || lacks "library $_library not found"
	done
	if _wanted=$(kv_get "$CONTRACT" needs.disk-mb); then
		free_mb "$ROOT"
		[ "${FREE_MB:-0}" -ge "$_wanted" ] || lacks "${FREE_MB:-0} MB free below $ROOT, $_wanted needed"
	fi
	if _wanted=$(kv_get "$CONTRACT" needs.memory-mb); then
		memory_mb
		[ "$MEMORY_MB" -ge "$_wanted" ] || lacks "memory $MEMORY_MB MB found, $_wanted needed"
	fi
}

# memory_mb: all memory of the machine in MEMORY_MB, not what is free just now: the version that goes makes room for the one that comes.
memory_mb() {
	MEMORY_MB=$(awk '$1 == "MemTotal:" { printf "%d", $2 / 1024; exit }' /proc/meminfo 2>/dev/null) || :
	MEMORY_MB=${MEMORY_MB:-0}
}

# has_library NAME: the loader's cache knows it, or it lies in a usual place or in the tree itself.
has_library() {
	_cache=$(ldconfig -p 2>/dev/null </dev/null || /sbin/ldconfig -p 2>/dev/null </dev/null) || _cache=
	case "$NL$_cache" in *"$NL$TAB$1 "*) return 0 ;; esac
	for _dir in /lib /usr/lib /usr/local/lib /lib64 /usr/lib64 /lib/*-linux-* /usr/lib/*-linux-* "$ROOT/versions/$T_VERSION/lib"; do
		[ ! -e "$_dir/$1" ] || return 0
	done
	return 1
}

# check_ports: nobody listens there, or the version that runs now does.
check_ports() {
	_ports=$(kv_list "$CONTRACT" needs.port)
	for _port in $_ports; do
		_inodes=$(awk -v port="$(printf '%04X' "$_port")" '$4 == "0A" && $2 ~ (":" port "$") { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null) || :
		[ -n "$_inodes" ] || continue
		port_is_ours "$_inodes" || lacks "port $_port is used by somebody else"
	done
}

# port_is_ours INODES: the running version's main process holds such a socket, or systemd holds it for a socket strategy that runs here already.
port_is_ours() {
	current_version "$ROOT" >/dev/null || return 1
	command -v manager_facts >/dev/null || return 1
	_running=$(current_version "$ROOT")
	[ -f "$T_DIR/releases/$_running/release" ] || return 1
	_facts=$(running_facts "$_running" 2>/dev/null) || return 1
	case $_facts in *'active yes'*) ;; *) return 1 ;; esac
	! kv_raw "$CONTRACT" switch.strategy || [ "$RAW" != socket ] || return 0
	_pid=$(printf '%s\n' "$_facts" | sed -n 's/^pid \([0-9][0-9]*\)$/\1/p')
	[ -n "$_pid" ] || return 1
	_open=$(for _fd in "/proc/$_pid/fd"/*; do readlink "$_fd" || :; done 2>/dev/null)
	for _inode in $1; do
		case $_open in *"socket:[$_inode]"*) return 0 ;; esac
	done
	return 1
}

# running_facts VERSION: what the manager says about the running version, by that version's own contract. Call it in a subshell only.
running_facts() {
	CONTRACT=$T_DIR/releases/$1/release
	manager_facts "$T_COMPONENT" "$1"
}

# check_strategy: units that systemd knows, an executable to start, programs that switch and checks call.
check_strategy() {
	kv_value "$CONTRACT" manager
	_manager=$VALUE
	kv_value "$CONTRACT" switch.strategy
	_strategy=$VALUE
	if [ "$_manager" = systemd ]; then
		if [ "$MODE" != system ]; then
			lacks "manager systemd needs system mode"
		elif ! has_tool systemctl; then
			lacks "systemctl not found"
		elif ! until_answered systemd_answer show -p Version >/dev/null; then
			lacks "systemd does not answer: see what 'systemctl show' says there"
		else
			_units=$(kv_list "$CONTRACT" unit && kv_list "$CONTRACT" switch.socket)
			for _unit in $_units; do
				systemctl cat -- "$_unit" >/dev/null 2>&1 </dev/null || lacks "systemd does not know the unit $_unit"
			done
			[ "$_strategy" != socket ] || check_sockets
			case $_strategy in takeover | reuseport) check_ready_told ;; esac
			case $_strategy in exec | takeover | reuseport | reload) check_main_known ;; esac
			[ "$_strategy" != signal ] || check_masters
		fi
	fi
	_problem=$(units_problem "$(current_version "$ROOT" || :)")
	[ -z "$_problem" ] || lacks "$_problem"
	case $_strategy in
	signal | reload) [ -e "/proc/$$/task/$$/children" ] || lacks "the kernel does not tell a process's children, which strategy $_strategy looks at" ;;
	esac
	if _start=$(kv_get "$CONTRACT" switch.start); then
		_file=$ROOT/versions/$T_VERSION/$_start
		{ [ -f "$_file" ] && [ -x "$_file" ]; } || lacks "$_start is not an executable of the tree"
	elif [ "$_manager" = process ]; then
		lacks "the contract names nothing to start"
	fi
	[ "$_manager" != process ] || has_tool setsid || lacks "setsid not found"
	# What runs must be able to hand over at all: the same question as right before the switch.
	case $_strategy in exec | takeover | signal | reload) strategy_call prepare || lacks "$EVIDENCE" ;; esac
	for _index in $(kv_indexes "$CONTRACT" health); do
		[ "$(kv_get "$CONTRACT" "health.$_index.kind")" = http ] || continue
		if has_tool curl || has_tool wget; then break; fi
		case $(kv_get "$CONTRACT" "health.$_index.url") in
		https:*) lacks "neither curl nor wget found, an https check needs one" ;;
		*) has_tool bash || lacks "none of curl, wget and bash found, an http check needs one" ;;
		esac
	done
	check_drain
	check_tasks
}

# check_ready_told: both run for a while, so the main unit has to say when the new process is ready and which one it is.
check_ready_told() {
	_unit=$(systemd_units service | head -n 1)
	_said=$(systemctl show -p Type -p PIDFile -- "$_unit" 2>/dev/null </dev/null) || _said=
	case "$_said$NL" in
	*"Type=notify$NL"* | *"Type=notify-reload$NL"*) ;;
	# Without it systemd guesses, and gives up where it sees two.
	*"Type=forking$NL"*) case "$_said$NL" in *"PIDFile=/"*) ;; *) lacks "strategy $_strategy needs PIDFile= in $_unit, whose Type=forking does not say which process serves" ;; esac ;;
	*) lacks "strategy $_strategy needs Type=notify in $_unit: nobody else says when the new process serves" ;;
	esac
}

# check_main_known: what systemd shows no main process of would be stopped and started anew, as if nothing ran.
check_main_known() {
	systemd_is_active && says_no systemd_main_pid || return 0
	lacks "systemd knows no main process of $(systemd_units service | head -n 1), which strategy $_strategy hands over from: Type=forking needs PIDFile="
}

check_sockets() {
	for _unit in $(kv_list "$CONTRACT" switch.socket); do
		case $(systemctl show -p LoadState --value -- "$_unit" 2>/dev/null </dev/null) in
		loaded) ;;
		*) lacks "socket unit $_unit is not loaded" ;;
		esac
		# It would start an instance for each connection, and hand the service no listener.
		case $(systemctl show -p Accept --value -- "$_unit" 2>/dev/null </dev/null) in
		yes) lacks "strategy socket needs Accept=no in $_unit" ;;
		esac
	done
}

# check_masters: systemd must find the new master when the old one ends, or it takes the end of that for the end of the unit.
check_masters() {
	_unit=$(kv_list "$CONTRACT" unit | grep '\.service$' | head -n 1)
	[ -n "$_unit" ] || { lacks "strategy signal needs a service unit"; return 0; }
	_file=$(kv_get "$CONTRACT" switch.pid-file) || { lacks "strategy signal needs a pid file"; return 0; }
	_said=$(systemctl show -p Type -p PIDFile -p KillMode -- "$_unit" 2>/dev/null </dev/null) || _said=
	case "$_said$NL" in *"Type=forking$NL"*) ;; *) lacks "strategy signal needs Type=forking in $_unit" ;; esac
	case "$_said$NL" in *"PIDFile=$_file$NL"*) ;; *) lacks "strategy signal needs PIDFile=$_file in $_unit" ;; esac
	case "$_said$NL" in *"KillMode=process$NL"* | *"KillMode=none$NL"*) lacks "with its KillMode, $_unit leaves a master behind when it stops" ;; esac
	# Whoever can move the pid file's directory could have root write elsewhere.
	_above=${_file%/*}
	_above=${_above%/*}
	[ -z "$_above" ] || [ ! -e "$_above" ] || (T_FAIL_FILE=/dev/null && check_private "$_above") || lacks "others than root can move the directory of $_file"
}

# check_tasks: every executable that the contract names is in the bundle.
check_tasks() {
	_files=$(awk '$1 ~ /^task\.[a-z][a-z0-9-]*\.(do|undo)$/ { print $2 }' "$CONTRACT")
	[ -n "$_files" ] || return 0
	if ! _bundle=$(bundle_dir "$CONTRACT"); then
		lacks "the contract names tasks, but has no bundle"
		return 0
	fi
	for _file in $_files; do
		[ -x "$_bundle/$_file" ] || lacks "$_file is not in the task bundle"
	done
}
