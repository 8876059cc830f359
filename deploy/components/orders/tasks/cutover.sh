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

# ---- places, and what is kept of them: CUTOVER_STATE/edits/NUMBER.SHA256-OF-PATH/{path, original or absent} -----------------------

_c_prefixed() { # PATH: sets _c_at
	case $1 in *"$_c_nl"*) cutover_fail "a path has more than one line" ;; esac
	case $1 in /*[!/]*) ;; *) cutover_fail "$1 is not an absolute path" ;; esac
	case $1 in "${CUTOVER_PREFIX:-//}"/*) _c_at=$1 ;; *) _c_at=${CUTOVER_PREFIX-}$1 ;; esac
	_c_at=${_c_at%/}
}
cutover_path() { # PATH
	_c_prefixed "$1"
	printf '%s\n' "$_c_at"
}
_c_place() { # PATH: sets _c_at to where it is, links in its directory followed. The path itself may be a link, or not be there
	_c_prefixed "$1"
	if ! _c_dir=$(CDPATH='' cd -P "${_c_at%/*}/" 2>/dev/null && pwd -P); then
		cutover_dry_run || cutover_fail "$1: its directory is not there"
		return 0
	fi
	_c_at=${_c_dir%/}/${_c_at##*/}
	_c_trees=$(CDPATH='' cd -P "${CUTOVER_ROOT:-/dev/null}/versions" 2>/dev/null && pwd -P) || return 0
	case $_c_at in "$_c_trees"/*) cutover_fail "$1: a version is a signed tree and is never changed" ;; esac
}
_c_file() { # PATH: sets _c_at, the file itself where PATH is a link to one
	_c_place "$1"
	[ ! -d "$_c_at" ] || cutover_fail "$1 is a directory"
	[ -L "$_c_at" ] || return 0
	[ -f "$_c_at" ] || cutover_fail "$1 is a link to nothing"
	_c_place "$(readlink -f "$_c_at")"
}
_c_beside() { # WORD: sets _c_side, a name beside _c_at that is never left behind
	_c_side=${_c_at%/*}/.${_c_at##*/}.cutover-$1
}

_c_sync() { # PATH…
	sync "$@" 2>/dev/null </dev/null || sync </dev/null
}
_c_sync_tree() { # DIR
	sync -f "$1" 2>/dev/null </dev/null || sync </dev/null
}
_c_write() { # FILE TEXT: as a whole and durably
	printf '%s\n' "$2" >"$1.new" && [ -s "$1.new" ] && _c_sync "$1.new" && mv -fT "$1.new" "$1" && _c_sync "${1%/*}" ||
		cutover_fail "cannot write $1"
}
_c_state() { # NAME: that directory is there, below CUTOVER_STATE
	[ -d "${CUTOVER_STATE-}" ] || cutover_fail "CUTOVER_STATE is no directory: tasks run on hosts, or by 'cutover task test'"
	[ -d "$CUTOVER_STATE/$1" ] || { mkdir -p "$CUTOVER_STATE/$1" && _c_sync "$CUTOVER_STATE"; } || cutover_fail "cannot write $CUTOVER_STATE"
}

_c_facts() { # PATH: prints what a copy must have
	if [ -d "$1" ] && [ ! -L "$1" ]; then
		_c_list=$(cd "$1" && find . -exec stat -c '%A %u %g %N' {} + </dev/null && find . -type f -exec sha256sum {} + </dev/null) || return 1
		printf '%s\n' "$_c_list" | sort
	else
		stat -c '%A %u %g %F' "$1" && if [ -L "$1" ]; then readlink "$1"; else sha256sum <"$1"; fi
	fi
}
_c_copy() { # FROM TO: exactly, also mode and owner. Some cp end well with a wrong copy
	rm -rf "$2" && cp -a "$1" "$2" && _c_is=$(_c_facts "$1") && _c_copied=$(_c_facts "$2") && [ "$_c_is" = "$_c_copied" ] ||
		cutover_fail "cannot copy $1 exactly"
}
_c_kept() { # sets _c_entry to what is kept of _c_at; status 1 when nothing is
	_c_hash=$(printf '%s' "$_c_at" | sha256sum) || cutover_fail "sha256sum is needed"
	_c_hash=${_c_hash%% *}
	for _c_entry in "${CUTOVER_STATE-}"/edits/[0-9]*."$_c_hash"; do
		[ ! -d "$_c_entry" ] || return 0
	done
	return 1
}
_c_keep() { # keeps what _c_at is now, unless something is kept of it: then this task has changed it already
	_c_state edits
	! _c_kept || return 0
	_c_last=00000
	for _c_entry in "$CUTOVER_STATE"/edits/[0-9]*; do
		[ ! -d "$_c_entry" ] || _c_last=${_c_entry##*/}
	done
	_c_last=${_c_last%%.*}
	_c_new=$CUTOVER_STATE/edits/.new.$_c_hash
	rm -rf "$_c_new" && mkdir "$_c_new" && printf '%s\n' "$_c_at" >"$_c_new/path" || cutover_fail "cannot write $CUTOVER_STATE"
	if [ -e "$_c_at" ] || [ -L "$_c_at" ]; then _c_copy "$_c_at" "$_c_new/original"; else : >"$_c_new/absent"; fi
	_c_sync_tree "$_c_new"
	_c_entry=$CUTOVER_STATE/edits/$(printf '%05d' "$((1$_c_last - 99999))").$_c_hash
	mv -T "$_c_new" "$_c_entry" && _c_sync "$CUTOVER_STATE/edits" || cutover_fail "cannot write $CUTOVER_STATE"
}

cutover_keep() { # PATH: where it is a link, what it points to, since that is what a tool would change
	_c_place "$1"
	[ ! -e "$_c_at" ] || _c_place "$(readlink -f "$_c_at")"
	if cutover_dry_run; then cutover_say "would keep $1"; else _c_keep; fi
}
cutover_original() { # PATH: status 1 when it was not there
	_c_before "$1"
	[ -e "$_c_at" ] || [ -L "$_c_at" ] || return 1
	printf '%s\n' "$_c_at"
}
_c_before() { # PATH: sets _c_at to where it is as it was before this task, also when its directory is gone since
	_c_prefixed "$1"
	[ ! -e "$_c_at" ] || _c_at=$(readlink -f "$_c_at")
	_c_dir=${_c_at%/*}
	_c_rest=/${_c_at##*/}
	until [ -d "${_c_dir:-/}" ]; do
		_c_rest=/${_c_dir##*/}$_c_rest
		_c_dir=${_c_dir%/*}
	done
	_c_dir=$(CDPATH='' cd -P "${_c_dir:-/}" && pwd -P) || cutover_fail "$1: its directory cannot be read"
	_c_asked=${_c_dir%/}$_c_rest
	# What was kept first, of the path itself or of a directory that it is in, is from before all changes.
	_c_found=$_c_asked
	_c_number=100000
	_c_rest=
	_c_at=$_c_asked
	set -- "${CUTOVER_STATE-}"/edits/[0-9]*
	while [ -n "$_c_at" ] && [ -d "$1" ]; do
		if _c_kept; then
			_c_last=${_c_entry##*/}
			if [ "${_c_last%%.*}" -lt "$_c_number" ]; then
				_c_number=${_c_last%%.*}
				_c_found=$_c_entry/original$_c_rest
			fi
		fi
		_c_rest=/${_c_at##*/}$_c_rest
		_c_at=${_c_at%/*}
	done
	_c_at=$_c_found
}

# ---- edits: prepared aside, kept, then one rename --------------------------------------------------------------------------------

_c_prepare() { # sets _c_work, where a new content is prepared, and _c_mode, the mode that it shall have; empty: as it is, or 644
	_c_state work
	_c_work=$CUTOVER_STATE/work/content
	_c_mode=
}
_c_put() { # what _c_work holds becomes the content of _c_at
	_c_keep
	_c_beside new
	rm -rf "$_c_side" || return 1
	if [ -f "$_c_at" ]; then
		cp -a "$_c_at" "$_c_side" || return 1
		_c_mode=${_c_mode:-$(stat -c %a "$_c_at")}
	fi
	{ [ ! -e "$_c_side" ] || chmod u+w "$_c_side"; } && cat "$_c_work" >"$_c_side" && chmod "${_c_mode:-644}" "$_c_side" &&
		cmp -s "$_c_work" "$_c_side" && _c_sync "$_c_side" && mv -fT "$_c_side" "$_c_at" && _c_sync "${_c_at%/*}"
}
_c_apply() { # WORDS: does so where it makes a difference, and says it
	if [ -f "$_c_at" ] && cmp -s "$_c_work" "$_c_at" && { [ -z "$_c_mode" ] || [ "$(stat -c %a "$_c_at")" = "${_c_mode#0}" ]; }; then
		cutover_say "already: $1"
	elif cutover_dry_run; then
		cutover_say "would $1"
	else
		_c_put || cutover_fail "cannot write $_c_at"
		cutover_say "$1"
	fi
	rm -f "$_c_work"
}
_c_text_file() { # FILE: it holds no NUL, on which tools for text do not agree
	LC_ALL=C tr -d '\000' <"$1" | cmp -s - "$1"
}

cutover_write_file() { # FILE [MODE] <content
	_c_file "$1"
	_c_prepare
	_c_mode=${2-}
	cat >"$_c_work" || cutover_fail "cannot write $_c_work"
	_c_apply "write $1"
}
cutover_make_dir() { # DIR [MODE]
	_c_place "$1"
	[ ! -d "$_c_at" ] || return 0
	if cutover_dry_run; then
		cutover_say "would make $1"
		return 0
	fi
	_c_keep
	_c_beside new
	rm -rf "$_c_side" && mkdir "$_c_side" && chmod "${2:-755}" "$_c_side" && mv -T "$_c_side" "$_c_at" && _c_sync "${_c_at%/*}" ||
		cutover_fail "cannot make $1"
	cutover_say "make $1"
}
cutover_remove() { # PATH: a file, a link, or a directory with all that is in it
	_c_place "$1"
	if [ ! -e "$_c_at" ] && [ ! -L "$_c_at" ]; then
		cutover_say "already: remove $1"
	elif cutover_dry_run; then
		cutover_say "would remove $1"
	else
		_c_keep
		rm -rf "$_c_at" && _c_sync "${_c_at%/*}" || cutover_fail "cannot remove $1"
		cutover_say "remove $1"
	fi
}

cutover_replace() { # FILE OLD NEW
	_c_file "$1"
	if [ ! -f "$_c_at" ]; then
		cutover_dry_run || cutover_fail "$1 is not there"
		cutover_say "would replace a text in $1"
		return 0
	fi
	_c_prepare
	_c_text_file "$_c_at" || cutover_fail "$1 is no text file"
	_c_status=0
	C_OLD=$2 C_NEW=$3 C_NO_END=$(tail -c 1 "$_c_at") LC_ALL=C awk '
	function swap(text,   out, o, n) { # where NEW stands already it stays
		while ((o = index(text, old)) > 0) {
			n = new == "" ? 0 : index(text, new)
			if (n && n <= o) { out = out substr(text, 1, n - 1 + length(new)); text = substr(text, n + length(new)) }
			else { out = out substr(text, 1, o - 1) new; text = substr(text, o + length(old)) }
		}
		return out text
	}
	{ text = text $0 "\n" }
	END {
		old = ENVIRON["C_OLD"]; new = ENVIRON["C_NEW"]
		if (ENVIRON["C_NO_END"] != "") sub(/\n$/, "", text)
		if (old == "" || (!index(text, old) && (new == "" || !index(text, new)))) exit 3
		swapped = swap(text)
		if (swap(swapped) != swapped) exit 4
		printf "%s", swapped
	}' "$_c_at" >"$_c_work" || _c_status=$?
	# A later edit of this task may have changed it once more: no reason to stop when the task is run again.
	if [ "$_c_status" -eq 3 ] && [ -n "$2" ] && _c_kept; then cat "$_c_at" >"$_c_work" && _c_status=0; fi
	case $_c_status in
	0) _c_apply "replace a text in $1" ;;
	3) cutover_fail "$1 does not hold that text" ;;
	4) cutover_fail "$1: to replace that twice is not the same as once" ;;
	*) cutover_fail "cannot read $1" ;;
	esac
}

# ---- keys of a configuration file: KEY=VALUE, KEY: VALUE or KEY VALUE, with or without [SECTION]s; # and ; begin a comment --------

cutover_get() { # FILE KEY [DEFAULT]
	_c_before "$1"
	_c_status=1
	if [ -f "$_c_at" ]; then
		_c_status=0
		_c_keys "$_c_at" get "$2" '' || _c_status=$?
	fi
	case $_c_status:$# in
	0:*) ;;
	1:3) printf '%s\n' "$3" ;;
	1:*) cutover_fail "$1 has no $2" ;;
	*) _c_keys_failed "$1" "$2" ;;
	esac
}
cutover_edit() { # FILE KEY VALUE
	_c_change "$1" set "$2" "$3"
}
cutover_unset() { # FILE KEY
	_c_change "$1" unset "$2" ''
}

_c_change() { # FILE set|unset KEY VALUE
	case $3$4 in *"$_c_nl"*) cutover_fail "$1: a key or value has more than one line" ;; esac
	_c_file "$1"
	if [ ! -f "$_c_at" ]; then
		cutover_dry_run || cutover_fail "$1 is not there"
		cutover_say "would $2 $3 in $1"
		return 0
	fi
	_c_prepare
	_c_status=0
	_c_keys "$_c_at" "$2" "$3" "$4" >"$_c_work" || _c_status=$?
	[ "$_c_status" -eq 0 ] || _c_keys_failed "$1" "$3"
	_c_apply "$2 $3 in $1"
}
_c_keys_failed() { # FILE KEY: by _c_status
	case $_c_status in
	3) cutover_fail "$1 has $2 more than once" ;;
	4) cutover_fail "$1 is no text file" ;;
	*) cutover_fail "cannot read $1" ;;
	esac
}
_c_keys() { # FILE get|set|unset KEY VALUE: prints the value, or FILE as it would be. Status 1: no such key, 3: more than one, 4: no text
	_c_text_file "$1" || return 4
	C_DO=$2 C_KEY=$3 C_VALUE=$4 C_NO_END=$(tail -c 1 "$1") LC_ALL=C awk '
	function lead(line) { match(line, /^[ \t]*(export[ \t]+)?/); return RLENGTH }
	function separator(rest) {
		if (match(rest, style == " " ? "^[ \t]*=[ \t]*" : "^[ \t]*[=:][ \t]*") || style == " " && match(rest, /^[ \t]+/)) return substr(rest, 1, RLENGTH)
		return ""
	}
	function is_header(text) { return text ~ /^[ \t]*\[[^]]*\][ \t]*$/ }
	function is_comment(text) { return text ~ /^[ \t]*([#;].*)?$/ }
	function has_sign(text) { return text ~ /^[^ \t=:]+[ \t]*[=:]/ }
	BEGIN {
		key = ENVIRON["C_KEY"]; slash = index(key, "/")
		if (slash) { section = substr(key, 1, slash - 1); key = substr(key, slash + 1) }
	}
	{
		line[NR] = $0
		if (sub(/\r$/, "", line[NR])) end[NR] = "\r"
		if (!is_header(line[NR]) && !is_comment(line[NR])) signs += has_sign(substr(line[NR], lead(line[NR]) + 1)) ? 1 : -1
	}
	END {
		style = signs < 0 ? " " : "=" # as most lines are written
		for (i = 1; i <= NR; i++) {
			text = line[i]
			if (is_header(text)) {
				sub(/^[ \t]*\[/, "", text); sub(/\][ \t]*$/, "", text); now = text; sections++
				if (now == section) last = i
				continue
			}
			if (is_comment(text)) continue
			text = substr(text, lead(text) + 1)
			if (like == "" && has_sign(text) == (style == "=")) { match(text, /^[^ \t=:]+/); like = separator(substr(text, RLENGTH + 1)) }
			if (now != section) continue
			last = i
			rest = substr(text, length(key) + 1); between = separator(rest)
			if (substr(text, 1, length(key)) == key && (between != "" || rest ~ /^[ \t]*$/)) { found = i; times++; gap = between }
		}
		if (times > 1) exit 3
		if (ENVIRON["C_DO"] == "get") {
			if (!found) exit 1
			print substr(line[found], lead(line[found]) + length(key) + length(gap) + 1)
			exit 0
		}
		if (like == "") like = style == " " ? " " : "="
		if (gap == "") gap = like
		if (section == "" && !sections) last = NR
		added = key like ENVIRON["C_VALUE"]
		if (section != "" && !last) { added = (NR ? "\n" : "") "[" section "]\n" added; last = NR }
		adding = !found && ENVIRON["C_DO"] == "set"
		for (i = 0; i <= NR; i++) {
			if (i && i != found) out = out line[i] end[i] "\n"
			else if (i && ENVIRON["C_DO"] == "set") out = out substr(line[i], 1, lead(line[i])) key gap ENVIRON["C_VALUE"] end[i] "\n"
			if (adding && i == last + 0) out = out added end[i] "\n"
		}
		if (ENVIRON["C_NO_END"] != "") sub(/\n$/, "", out)
		printf "%s", out
	}' "$1"
}

# ---- systemd units: what each was before this task touched it stands in CUTOVER_STATE/units/UNIT ---------------------------------

cutover_stop() { # UNIT…
	for _c_name in "$@"; do _c_unit stop "$_c_name"; done
}
cutover_start() { # UNIT…
	for _c_name in "$@"; do _c_unit start "$_c_name"; done
}
cutover_restart() { # UNIT…
	for _c_name in "$@"; do _c_unit restart "$_c_name"; done
}
_c_unit_state() { # UNIT: sets _c_unit_is: active, inactive, or none where there is no systemd. CUTOVER_UNITS: a test pretends to have units there
	_c_unit_is=inactive
	if [ -n "${CUTOVER_UNITS-}" ]; then
		_c_unit_is=active
		[ ! -f "$CUTOVER_UNITS/$1" ] || read -r _c_unit_is <"$CUTOVER_UNITS/$1"
	elif [ -n "${CUTOVER_PREFIX-}" ] || [ ! -d /run/systemd/system ]; then
		_c_unit_is=none
	else
		case $(systemctl is-active "$1" </dev/null) in active | activating | reloading) _c_unit_is=active ;; esac
	fi
}
_c_unit() { # stop|start|restart UNIT
	case $2 in '' | */* | [.-]*) cutover_fail "$2 is not a unit" ;; esac
	_c_unit_state "$2"
	case $1:$_c_unit_is in
	*:none)
		cutover_say "no systemd here: $1 $2 left out"
		return 0
		;;
	stop:inactive | start:active)
		cutover_say "already: $1 $2"
		return 0
		;;
	esac
	if cutover_dry_run; then
		cutover_say "would $1 $2"
		return 0
	fi
	_c_state units
	[ -f "$CUTOVER_STATE/units/$2" ] || _c_write "$CUTOVER_STATE/units/$2" "$_c_unit_is"
	_c_want=active
	[ "$1" != stop ] || _c_want=inactive
	if [ -n "${CUTOVER_UNITS-}" ]; then
		printf '%s\n' "$_c_want" >"$CUTOVER_UNITS/$2"
	else
		systemctl "$1" "$2" </dev/null || cutover_fail "systemctl $1 $2: $(systemctl status --no-pager --lines 5 "$2" </dev/null 2>&1 | tail -n 8)"
	fi
	_c_unit_state "$2"
	[ "$_c_unit_is" = "$_c_want" ] || cutover_fail "$2 is $_c_unit_is after $1"
	cutover_say "$1 $2"
}

# ---- the way back ----------------------------------------------------------------------------------------------------------------

_c_put_back() { # ENTRY: its path becomes what was kept, complete beside it before the other goes
	IFS= read -r _c_at <"$1/path"
	for _c_word in new back was; do
		_c_beside "$_c_word"
		rm -rf "$_c_side" || return 1
	done
	_c_gone=$_c_side
	if [ -f "$1/absent" ]; then
		rm -rf "$_c_at" || return 1
	else
		_c_beside back
		_c_copy "$1/original" "$_c_side"
		_c_sync_tree "$_c_side"
		# Only what is no directory can be replaced in one step.
		if [ -d "$_c_at" ] && [ ! -L "$_c_at" ] || [ -e "$_c_at" ] && [ -d "$_c_side" ] && [ ! -L "$_c_side" ]; then
			mv -T "$_c_at" "$_c_gone" || return 1
		fi
		mv -fT "$_c_side" "$_c_at" && rm -rf "$_c_gone" || return 1
	fi
	[ ! -d "${_c_at%/*}" ] || _c_sync "${_c_at%/*}"
}
cutover_undo_edits() { # the last first. What is back is forgotten, so that this can be killed and run again
	_c_edits=
	for _c_entry in "${CUTOVER_STATE-}"/edits/[0-9]*; do
		[ ! -d "$_c_entry" ] || _c_edits="${_c_entry##*/} $_c_edits"
	done
	for _c_edit in $_c_edits; do
		_c_entry=$CUTOVER_STATE/edits/$_c_edit
		IFS= read -r _c_at <"$_c_entry/path"
		_c_shown=${_c_at#"${CUTOVER_PREFIX-}"}
		if cutover_dry_run; then
			cutover_say "would put back $_c_shown"
			continue
		fi
		_c_put_back "$_c_entry" || cutover_fail "cannot put back $_c_shown; what it was is kept in $_c_entry"
		rm -rf "$CUTOVER_STATE/edits/.gone" && mv -T "$_c_entry" "$CUTOVER_STATE/edits/.gone" && _c_sync "$CUTOVER_STATE/edits" &&
			rm -rf "$CUTOVER_STATE/edits/.gone" || cutover_fail "cannot write $CUTOVER_STATE"
		cutover_say "put back $_c_shown"
	done
}
cutover_undo() { # units that this task touched stand still meanwhile, and are then what they were
	for _c_unit_file in "${CUTOVER_STATE-}"/units/*; do
		[ ! -f "$_c_unit_file" ] || _c_unit stop "${_c_unit_file##*/}"
	done
	cutover_undo_edits
	for _c_unit_file in "${CUTOVER_STATE-}"/units/*; do
		[ -f "$_c_unit_file" ] || continue
		read -r _c_was <"$_c_unit_file"
		[ "$_c_was" != active ] || _c_unit start "${_c_unit_file##*/}"
	done
	cutover_dry_run || rm -rf "${CUTOVER_STATE:?}/units" "$CUTOVER_STATE/work"
}

# ---- once, and waiting -----------------------------------------------------------------------------------------------------------

cutover_once() { # NAME COMMAND…: killed before its end, COMMAND runs again
	case $1 in '' | .* | *[!A-Za-z0-9._-]*) cutover_fail "$1 is not a name" ;; esac
	if [ -f "${CUTOVER_STATE-}/once/${CUTOVER_ACTION:-do}/$1" ]; then
		cutover_say "already: $1"
	elif cutover_dry_run; then
		cutover_say "would do $1"
	else
		_c_state "once/${CUTOVER_ACTION:-do}"
		# Not in a condition: there `set -e` would not count for what COMMAND does.
		_c_without_first "$@"
		[ "$?" -eq 0 ] || cutover_fail "$1 failed"
		_c_write "$CUTOVER_STATE/once/${CUTOVER_ACTION:-do}/$1" "done"
	fi
}
_c_without_first() {
	shift
	"$@"
}

_c_clock() { # sets _c_time, hundredths of a second since boot
	read -r _c_up _ </proc/uptime
	_c_part=${_c_up#*.}
	_c_time=$((${_c_up%.*} * 100 + 1$_c_part - 100))
}
cutover_wait_for() { # SECONDS WHAT: ends the task when it does not come true in time
	case $1 in '' | *[!0-9]*) cutover_fail "$1 is not a number of seconds" ;; esac
	case $2:$# in tcp:4 | http:3 | file:3 | run:[3-9]*) ;; *) cutover_fail "wait for tcp HOST PORT, http URL, file PATH or run COMMAND" ;; esac
	if cutover_dry_run; then
		cutover_say "would wait for $2 $3"
		return 0
	fi
	_c_seconds=$1
	shift
	# Said here: what is asked again and again says nothing.
	case $1 in
	tcp) _c_has bash || _c_has nc || cutover_fail "bash or nc is needed to wait for a port" ;;
	http) _c_has curl || _c_has wget || cutover_fail "curl or wget is needed to wait for an answer" ;;
	esac
	_c_clock
	_c_by=$((_c_time + _c_seconds * 100))
	until _c_holds "$@" >/dev/null 2>&1; do
		_c_clock
		[ "$_c_time" -lt "$_c_by" ] || cutover_fail "$1 $2 did not come true within $_c_seconds s"
		sleep 0.2
	done
	cutover_say "there: $1 $2"
}
_c_holds() { # WHAT: status 0 when it is so now
	case $1 in
	tcp) _c_accepts "$2" "$3" ;;
	http) _c_answers "$2" ;;
	file)
		_c_prefixed "$2"
		[ -e "$_c_at" ]
		;;
	run)
		shift
		(
			_c_may_fail=yes
			"$@"
		)
		;;
	esac
}
_c_has() { # PROGRAM
	command -v "$1" >/dev/null
}
_c_accepts() { # HOST PORT
	if _c_has bash; then
		# shellcheck disable=SC2016 # bash expands its own arguments
		timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" </dev/null
	else
		# Not every nc knows -z: one that is still connected when the time is over was accepted.
		_c_status=0
		timeout 4 nc -w 2 "$1" "$2" </dev/null || _c_status=$?
		[ "$_c_status" -eq 0 ] || [ "$_c_status" -ge 124 ]
	fi
}
_c_answers() { # URL: 2xx, no redirect followed
	if _c_has curl; then
		case $(curl -s --noproxy '*' --max-time 5 -o /dev/null -w '%{http_code}' -- "$1" </dev/null) in 2[0-9][0-9]) ;; *) return 1 ;; esac
	else
		timeout 6 wget -S -O /dev/null "$1" </dev/null 2>&1 | sed -n 's/.*HTTP\/1\.[01] \([0-9][0-9][0-9]\).*/\1/p' | head -n 1 | grep -q '^2'
	fi
}

# ---- at the start of every task, and when this is the task -----------------------------------------------------------------------

# What undo takes back was not done once any more, and the other way round.
case ${CUTOVER_ACTION-}${CUTOVER_DRY_RUN-} in
do) rm -rf "${CUTOVER_STATE:?}/once/undo" ;;
undo) rm -rf "${CUTOVER_STATE:?}/once/do" ;;
esac
case ${0##*/}:${CUTOVER_ACTION-} in
cutover.sh:undo) cutover_undo ;;
cutover.sh:*) cutover_fail "this is a library; as a program it is an undo" ;;
esac
