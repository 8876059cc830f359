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
