#!/bin/sh
# cutover task SDK 1, for POSIX sh (dash, bash, BusyBox ash). `cutover task sdk DIR` copies it beside the scripts that use it:
#   . "${0%/*}/cutover.sh"
# A copy is signed with the task bundle. Do not edit it, copy it anew.
#
# What every call keeps to: it may be killed at any line and run again, with the same end. What was there is kept, durably, before
# it is changed for the first time. In a dry run it says what it would do and changes nothing. When it cannot do its work it says why
# and ends the whole task, also from inside `$( )` or a pipe. It prints names, never values: they may be secret.
# Paths are absolute, as on the host; in a test they lie below a throw-away root. Give "$(cutover_path PATH)" to tools of your own.
#
# cutover_fact NAME                   component version from root host address run task action state
# cutover_say WORDS                   also: cutover_progress DONE TOTAL WORDS, cutover_fail WORDS
# cutover_get FILE KEY [DEFAULT]      the value before this task changed FILE, so that it computes the same when it is run again
# cutover_edit FILE KEY VALUE         `KEY=VALUE`, `KEY: VALUE` or `KEY VALUE`, as FILE has it; SECTION/KEY where it has [SECTION]s
# cutover_unset FILE KEY              that line goes
# cutover_replace FILE OLD NEW        a text by another, wherever it stands
# cutover_write_file FILE [MODE]      the whole content, from standard input
# cutover_make_dir DIR [MODE]         also: cutover_remove PATH
# cutover_keep PATH                   before a tool of your own changes it
# cutover_original PATH               prints where it is as it was before this task; convert from there, and it can be run again
# cutover_undo                        what this task changed becomes what it was, units too. `undo: cutover.sh` does just that
# cutover_stop UNIT…                  also: cutover_start, cutover_restart; systemd units, nothing where there is no systemd
# cutover_once NAME COMMAND…          not again when it ended well, also after a kill; undo makes do forget, do makes undo forget
# cutover_wait_for SECONDS WHAT       tcp HOST PORT | http URL | file PATH | run COMMAND…
# cutover_dry_run                     status 0 in a dry run; `cutover_run COMMAND…` runs it unless this is one

_c_nl='
'

cutover_say() { printf '%s\n' "$*"; }
cutover_fail() {
	printf 'cutover: %s\n' "$*" >&2
	# From a subshell `exit` would leave the task going on with an empty value.
	# shellcheck disable=SC2016
	[ -n "${_c_may_fail-}" ] || [ "$(exec sh -c 'echo "$PPID"')" = "$$" ] || kill -s TERM "$$"
	exit 1
}
cutover_progress() { # DONE TOTAL WORDS
	_c_done=$1
	_c_total=$2
	shift 2
	printf 'progress %s/%s %s\n' "$_c_done" "$_c_total" "$*"
}
cutover_dry_run() { [ -n "${CUTOVER_DRY_RUN-}" ]; }
cutover_run() { # COMMAND…
	if cutover_dry_run; then cutover_say "would run $1"; else "$@"; fi
}
cutover_fact() { # NAME: prints it; `from` is empty at a first install
	case $1 in
	component) printf '%s\n' "${CUTOVER_COMPONENT-}" ;;
	version) printf '%s\n' "${CUTOVER_VERSION-}" ;;
	from) printf '%s\n' "${CUTOVER_FROM-}" ;;
	root) printf '%s\n' "${CUTOVER_ROOT-}" ;;
	host) printf '%s\n' "${CUTOVER_HOST-}" ;;
	address) printf '%s\n' "${CUTOVER_ADDRESS-}" ;;
	run) printf '%s\n' "${CUTOVER_RUN-}" ;;
	task) printf '%s\n' "${CUTOVER_TASK-}" ;;
	action) printf '%s\n' "${CUTOVER_ACTION-}" ;;
	state) printf '%s\n' "${CUTOVER_STATE-}" ;;
	*) cutover_fail "there is no fact $1" ;;
	esac
}
