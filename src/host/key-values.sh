# key-values.sh: the text that host.sh reads and writes: percent-encoded fields, the grammars of names, `key value` files.

# ---- fields --------------------------------------------------------------

# encode: filter; percent-encodes every byte except A-Za-z0-9._~:/@+=,- (newlines too). No trailing newline is written.
encode() {
	od -An -v -tx1 | awk 'BEGIN {
		safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/@+=,-"
		hex = "0123456789ABCDEF"
		for (i = 0; i < 256; i++) {
			h = substr(hex, int(i / 16) + 1, 1) substr(hex, i % 16 + 1, 1)
			c = (i > 31 && i < 127) ? sprintf("%c", i) : ""
			out[tolower(h)] = (c != "" && index(safe, c)) ? c : "%" h
		}
	}
	{ for (i = 1; i <= NF; i++) printf "%s", out[$i] }'
}

# decode: filter, one encoded value a line in, the same number of lines out (a decoded newline is refused, so is %00): status 65 when malformed.
decode() {
	awk 'BEGIN {
		hex = "0123456789ABCDEF"
		for (i = 1; i < 256; i++) byte[substr(hex, int(i / 16) + 1, 1) substr(hex, i % 16 + 1, 1)] = sprintf("%c", i)
		delete byte["0A"]
	}
	{
		n = split($0, part, "%"); text = part[1]
		for (i = 2; i <= n; i++) {
			h = substr(part[i], 1, 2)
			if (!(h in byte)) exit 65
			text = text byte[h] substr(part[i], 3)
		}
		print text
	}'
}

# field VALUE: sets FIELD to its encoded form, `-` when empty. Forks only for values that need it.
field() {
	case $1 in
	'') FIELD=- ;;
	*[!A-Za-z0-9._~:/@+=,-]*) FIELD=$(printf '%s' "$1" | encode) ;;
	*) FIELD=$1 ;;
	esac
}

# unfield ENCODED: sets VALUE to the decoded form (`-` is empty); returns 65 when malformed.
unfield() {
	case $1 in
	-) VALUE= ;;
	'' | *[!A-Za-z0-9._~:/@+=,%-]*) return 65 ;;
	*%*) VALUE=$(printf '%s\n' "$1" | decode) || return 65 ;;
	*) VALUE=$1 ;;
	esac
}

# ---- grammars ------------------------------------------------------------

is_component() { case $1 in '' | [!a-z]* | *[!a-z0-9-]*) return 1 ;; esac; [ "${#1}" -le 63 ]; }
is_version() { case $1 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._+-]*) return 1 ;; esac; [ "${#1}" -le 64 ]; }
is_host() { case $1 in '' | [!a-z0-9]* | *[!a-z0-9.-]*) return 1 ;; esac; [ "${#1}" -le 63 ]; }
is_run() { case $1 in '' | [!a-z0-9]* | *[!a-z0-9-]*) return 1 ;; esac; [ "${#1}" -le 64 ]; }
is_step() { case $1 in '' | [!a-z0-9]* | *[!a-z0-9.-]*) return 1 ;; esac; [ "${#1}" -le 64 ]; }
is_holder() { case $1 in '' | *[!A-Za-z0-9._:@/+=,-]*) return 1 ;; esac; [ "${#1}" -le 128 ]; }
is_task_name() { case $1 in '' | [!a-z]* | *[!a-z0-9-]*) return 1 ;; esac; [ "${#1}" -le 63 ]; }
# At most 15 digits and no leading zero: any sh can compute with it.
is_number() { case $1 in '' | *[!0-9]* | 0?*) return 1 ;; esac; [ "${#1}" -le 15 ]; }
is_digest() { case $1 in sha256:*) ;; *) return 1 ;; esac; is_hex64 "${1#sha256:}"; }
is_hex64() { case $1 in '' | *[!0-9a-f]*) return 1 ;; esac; [ "${#1}" -eq 64 ]; }
# Absolute, canonical: no empty, `.` or `..` segment, no control byte or backslash.
is_abs_path() { case $1/ in [!/]* | *//* | */./* | */../* | *[[:cntrl:]\\]*) return 1 ;; esac; [ "${#1}" -gt 1 ] && [ "${#1}" -le 1024 ]; }

# ---- key value files -----------------------------------------------------

# kv_get FILE KEY: prints the decoded value; returns 1 when the key is absent.
kv_get() {
	kv_raw "$1" "$2" || return 1
	unfield "$RAW" || return 65
	printf '%s\n' "$VALUE"
}

# kv_raw FILE KEY: sets RAW to the encoded value of the first such line, without forking; returns 1 when absent.
kv_raw() {
	RAW=
	[ -r "$1" ] || return 1
	while read -r _k RAW; do
		[ "$_k" != "$2" ] || return 0
	done <"$1"
	RAW=
	return 1
}

# kv_list FILE PREFIX: decoded values of PREFIX.0, PREFIX.1 … in numeric order, one a line; values with a newline are refused.
kv_list() {
	[ -r "$1" ] || return 0
	while read -r _k _v; do
		case ${_k#"$2."} in
		"$_k" | '' | *[!0-9]*) ;;
		*) printf '%s %s\n' "${_k#"$2."}" "$_v" ;;
		esac
	done <"$1" | sort -n | cut -d ' ' -f 2 | decode
}

# kv_set FILE KEY: decoded values of a key that repeats, one a line.
kv_set() {
	[ -r "$1" ] || return 0
	while read -r _k _v; do
		[ "$_k" != "$2" ] || printf '%s\n' "$_v"
	done <"$1" | decode
}

# kv_indexes FILE PREFIX: the distinct N of PREFIX.N.… keys (health.0.kind, task names too), numbers in order, one a line.
kv_indexes() {
	[ -r "$1" ] || return 0
	while read -r _k _v; do
		case $_k in
		"$2".*.*)
			_k=${_k#"$2."}
			printf '%s\n' "${_k%%.*}"
			;;
		esac
	done <"$1" | sort -nu
}

# kv_line KEY VALUE: prints one line, value encoded; nothing for an empty value.
kv_line() {
	[ -n "$2" ] || return 0
	field "$2"
	printf '%s %s\n' "$1" "$FIELD"
}
