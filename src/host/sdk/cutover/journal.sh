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
