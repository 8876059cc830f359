#!/bin/sh
# host.sh: the far side of cutover. Joined from src/host/*.sh: lib, key-values, trust, grammar, receive, build, …, session, main.
# lib.sh: what every part stands on: results, clocks, places, locks, limited children. Files are in files.sh.
#
# Globals set by main: STATE HOST_NAME ADDRESS MODE(system|user) SELF(path of this script) BASES_FILE=enrolment.
# Descriptors: 3 reply channel of a session, 5 its life line (children never hold it for long), 7 runner FIFO, 8 job lock (children inherit it), 9 host-wide writer lock (children never do).
# A task is task_KIND_do / task_KIND_undo, called in its own subshell with T_COMPONENT T_VERSION T_RUN T_STEP T_SESSION T_ID T_EPOCH T_DIR;
# its last stdout lines are the evidence of success, `fail` ends it. Other parts define, and main and probe call when they exist:
#   word_revert COMPONENT TRIALID · word_guard · word_probation COMPONENT TRIALID
#   trial_facts COMPONENT      prints `state W`, `trial-from V`, `trial-to V`, `trial-run R`, `trial-ends SECONDS`, `trial-reason W` (plain `key value` lines)
#   manager_facts COMPONENT VERSION   prints `active yes|no`, `pid N`; runs after load_contract
set -eu
LC_ALL=C
export LC_ALL
umask 077

HOST_SH_VERSION=0.1.0
MAX_KV_BYTES=262144
MAX_MANIFEST_BYTES=67108864
EVIDENCE_BYTES=4096
# What is found out once: a file of keys held in memory (kv_load), how to start this shell, which tar this is.
KV_FILE=
KV_WORDS=
SELF_SHELL=
TAR_VERSION=
NL='
'
TAB='	'

# ---- results -------------------------------------------------------------

# fail CODE REASON EVIDENCE: end the current verb, task or entry word with that result. Never call it where stdout or exit status is
# swallowed (inside `$(…)` followed by `||`): it ends only the innermost subshell.
fail() {
	_evidence=${3-}
	if [ "${#_evidence}" -le 1024 ]; then
		field "$_evidence"
		_evidence=$FIELD
	else
		_evidence=$(printf '%s' "$_evidence" | head -c "$EVIDENCE_BYTES" | encode)
	fi
	if [ -n "${T_FAIL_FILE-}" ]; then
		printf '%s %s %s\n' "$1" "$2" "${_evidence:--}" >"$T_FAIL_FILE"
	elif [ -n "${REQUEST_ID-}" ]; then
		ms_since "$REQUEST_START"
		printf '%s\terr\t%s\t%s\t%s\t%s\n' "$REQUEST_ID" "$MS" "$1" "$2" "${_evidence:--}" >&3
		printf '%s\n' "$REQUEST_COUNT" >"$SESSION_DIR/replied"
	else
		printf 'cutover: %s: %s\n' "$2" "${3-}" >&2
	fi
	exit "$1"
}

# ok FIELD…: the verb's final reply; fields are encoded here.
ok() {
	ms_since "$REQUEST_START"
	_line="$REQUEST_ID${TAB}ok${TAB}$MS"
	for _f in "$@"; do
		field "$_f"
		_line="$_line$TAB$FIELD"
	done
	printf '%s\n' "$_line" >&3
	printf '%s\n' "$REQUEST_COUNT" >"$SESSION_DIR/replied"
}

# data FIELD…: one data line of the verb's reply.
data() {
	_line="$REQUEST_ID${TAB}+"
	for _f in "$@"; do
		field "$_f"
		_line="$_line$TAB$FIELD"
	done
	printf '%s\n' "$_line" >&3
}

# ---- clocks --------------------------------------------------------------

# uptime_cs: sets UPTIME_CS, hundredths of a second since boot; jumps of the wall clock do not matter (F19).
uptime_cs() {
	read -r _up _ </proc/uptime
	_frac=${_up#*.}
	UPTIME_CS=$((${_up%.*} * 100 + 1${_frac} - 100))
}

# ms_since START_CS: sets MS.
ms_since() {
	uptime_cs
	MS=$(((UPTIME_CS - $1) * 10))
}

boot_id() { read -r BOOT_ID </proc/sys/kernel/random/boot_id; }

# nap: a short sleep for polling loops.
nap() { sleep "${1:-0.05}"; }

# ---- places --------------------------------------------------------------

# PREFIX: only in mode user (a lab, where a host is a directory): what stands before every path that a contract names. Set by main.
PREFIX=

# place COMPONENT PATH: sets PLACED, where a contract's path is on this host. host.sh itself lives in the state directory, wherever that is.
place() {
	case $1:$2 in
	cutover-host:/var/lib/cutover/host) PLACED=$STATE/host ;;
	*) PLACED=$PREFIX$2 ;;
	esac
}

component_dir() { printf '%s/components/%s\n' "$STATE" "$1"; }
offer_dir() { printf '%s/offers/%s/%s\n' "$STATE" "$1" "$2"; }

# load_contract COMPONENT VERSION: sets CONTRACT (the release file that was verified when this version was built), ROOT and T_DIR. The root
# is checked against today's enrolment again. Ends the task when the version is not built or its root is not allowed.
load_contract() {
	{ is_component "$1" && is_version "$2"; } || fail 64 bad-request "not a component and version: $1 $2"
	T_DIR=$STATE/components/$1
	CONTRACT=$T_DIR/releases/$2/release
	[ -f "$CONTRACT" ] || fail 66 version-not-built "$1 $2 is not built on this host"
	kv_load "$CONTRACT"
	{ kv_raw "$CONTRACT" root && unfield "$RAW"; } || fail 65 bad-release "no root in $CONTRACT"
	place "$1" "$VALUE"
	ROOT=$PLACED
	check_root "$1" "$ROOT"
}

# tree_of_version COMPONENT VERSION: prints the digest a built version was verified against; returns 1 when it is not built.
tree_of_version() { find_tree "$1" "$2" && printf '%s\n' "$FOUND_TREE"; }

# find_tree COMPONENT VERSION: the same, into FOUND_TREE.
find_tree() {
	if kv_raw "$STATE/components/$1/releases/$2/release" root && unfield "$RAW"; then
		place "$1" "$VALUE"
	elif [ "$1" = cutover-host ]; then
		PLACED=$STATE/host # its first version came with the enrolment, not as a release
	else
		return 1
	fi
	[ -f "$PLACED/versions/$2/.cutover-verified" ] && [ ! -L "$PLACED/versions/$2" ] || return 1
	read -r FOUND_TREE <"$PLACED/versions/$2/.cutover-verified" || return 1
	is_digest "$FOUND_TREE"
}

# current_version ROOT: prints the version that ROOT/current names; returns 1 without a link, 2 when it points elsewhere than versions/V.
current_version() {
	_rc=0
	read_current "$1" || _rc=$?
	[ "$_rc" -ne 0 ] || printf '%s\n' "$CURRENT"
	return "$_rc"
}

# read_current ROOT: the same, into CURRENT; empty with status 1 or 2.
read_current() {
	CURRENT=
	[ -L "$1/current" ] || return 1
	_link=$(readlink "$1/current")
	case $_link in versions/*) ;; *) return 2 ;; esac
	is_version "${_link#versions/}" || return 2
	CURRENT=${_link#versions/}
}

# bundle_dir CONTRACT: prints where the contract's task bundle was built; returns 1 when it names none or it is not there.
bundle_dir() {
	kv_raw "$1" bundle && is_digest "$RAW" || return 1
	[ -f "$STATE/bundles/${RAW#sha256:}/.cutover-verified" ] || return 1
	printf '%s/bundles/%s\n' "$STATE" "${RAW#sha256:}"
}

# task_option KEY [DEFAULT]: prints what the controller chose; the default, or status 1, when it chose nothing.
task_option() {
	for _o in ${T_OPTIONS-}; do # fields are percent-encoded: no blank, no glob character
		case $_o in
		"$1="*)
			unfield "${_o#*=}" || return 65
			printf '%s\n' "$VALUE"
			return 0
			;;
		esac
	done
	[ $# -gt 1 ] || return 1
	printf '%s\n' "$2"
}

# ---- children ------------------------------------------------------------

# lock_wait FD SECONDS: takes the lock of an open descriptor; status 1 when somebody keeps it that long. BusyBox flock has no timeout.
lock_wait() {
	! flock -n "$1" || return 0
	uptime_cs
	_by=$((UPTIME_CS + $2 * 100))
	until flock -n "$1"; do
		uptime_cs
		[ "$UPTIME_CS" -lt "$_by" ] || return 1
		nap
	done
}

# with_host_lock COMMAND…: runs it holding the host-wide writer lock, in a subshell; 75 when another writer keeps it for 30 s.
with_host_lock() {
	(
		lock_wait 9 30 || fail 75 busy "another writer holds $STATE/lock"
		"$@"
	) 9>>"$STATE/lock"
}

# tool_path NAME: prints the program's absolute path from PATH (never a shell's own applet); returns 1 when there is none.
tool_path() {
	_rest=$PATH:
	while [ -n "$_rest" ]; do
		_dir=${_rest%%:*}
		_rest=${_rest#*:}
		case $_dir in /*) ;; *) continue ;; esac
		if [ -f "$_dir/$1" ] && [ -x "$_dir/$1" ]; then
			printf '%s/%s\n' "$_dir" "$1"
			return 0
		fi
	done
	return 1
}

has_tool() { tool_path "$1" >/dev/null; }

# run_limited SECONDS LOGFILE CMD…: an external command with stdin closed off, output appended to LOGFILE, reply channel and writer lock closed.
# Returns its status; 124 when the time ran out (told by the clock: implementations of timeout disagree on the status).
run_limited() {
	_limit=$1
	_log=$2
	shift 2
	uptime_cs
	_begun=$UPTIME_CS
	_rc=0
	timeout -k "${LIMIT_GRACE:-5}" "$_limit" "$@" </dev/null >>"$_log" 2>&1 3>&- 5>&- 7>&- 9>&- || _rc=$?
	ms_since "$_begun"
	[ "$_rc" -eq 0 ] || [ "$MS" -lt "$((_limit * 1000))" ] || _rc=124
	return "$_rc"
}
