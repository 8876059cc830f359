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
