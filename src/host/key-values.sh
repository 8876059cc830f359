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

# field VALUE: sets FIELD to its encoded form, `-` when empty. Starts processes only for what is long or not plain text.
field() {
	case $1 in
	'') FIELD=- ;;
	*[!A-Za-z0-9._~:/@+=,\ \(\)\;\>\<\"\'"$NL$TAB"-]*) FIELD=$(printf '%s' "$1" | encode) ;;
	*[!A-Za-z0-9._~:/@+=,-]*) if [ "${#1}" -le 1024 ]; then field_words "$1"; else FIELD=$(printf '%s' "$1" | encode); fi ;;
	*) FIELD=$1 ;;
	esac
}

# field_words TEXT: field of a text whose only bytes to encode are those named here.
field_words() {
	FIELD=
	_todo=$1
	while :; do
		_safe=${_todo%%[!A-Za-z0-9._~:/@+=,-]*}
		FIELD=$FIELD$_safe
		_todo=${_todo#"$_safe"}
		case $_todo in
		'') return 0 ;;
		' '*) FIELD=$FIELD%20 ;;
		"$NL"*) FIELD=$FIELD%0A ;;
		"$TAB"*) FIELD=$FIELD%09 ;;
		'('*) FIELD=$FIELD%28 ;;
		')'*) FIELD=$FIELD%29 ;;
		';'*) FIELD=$FIELD%3B ;;
		'<'*) FIELD=$FIELD%3C ;;
		'>'*) FIELD=$FIELD%3E ;;
		'"'*) FIELD=$FIELD%22 ;;
		"'"*) FIELD=$FIELD%27 ;;
		esac
		_todo=${_todo#?}
	done
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

# last_lines FILE: sets FIELD to the encoded last 20 lines, at most EVIDENCE_BYTES. A few lines, what a task says as a rule, take no process.
last_lines() {
	_said=
	_lines=0
	while [ "$_lines" -le 20 ] && IFS= read -r _one; do
		_said=$_said$_one$NL
		_lines=$((_lines + 1))
		_one=
	done <"$1"
	_said=$_said${_one-}
	if [ "$_lines" -le 20 ] && [ "${#_said}" -le 1024 ]; then
		field "$_said"
	else
		FIELD=$(tail -n 20 "$1" | tail -c "$EVIDENCE_BYTES" | encode)
		FIELD=${FIELD:--}
	fi
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
	kv_value "$1" "$2" || return "$?"
	printf '%s\n' "$VALUE"
}

# kv_value FILE KEY: the same, into VALUE, which is empty when there is none. A plain value takes no process: prefer it to `$(kv_get …)`.
kv_value() {
	VALUE=
	kv_raw "$1" "$2" || return 1
	unfield "$RAW" || {
		VALUE=
		return 65
	}
}

# kv_raw FILE KEY: sets RAW to the encoded value of the first such line, without forking; returns 1 when absent.
kv_raw() {
	RAW=
	if [ "$1" = "${KV_FILE-}" ]; then
		word_after "$2" "$KV_WORDS"
		return
	fi
	[ -r "$1" ] || return 1
	while read -r _k RAW; do
		[ "$_k" != "$2" ] || return 0
	done <"$1"
	RAW=
	return 1
}

# word_after KEY WORDS: sets RAW to the value after that key; returns 1 when it is absent. Such words hold no blank and no glob character.
word_after() {
	RAW=
	_wanted_key=$1
	# shellcheck disable=SC2086
	set -- $2
	while [ $# -gt 1 ]; do
		if [ "$1" = "$_wanted_key" ]; then
			RAW=$2
			return 0
		fi
		shift 2
	done
	return 1
}

# kv_load FILE: reads it once; until another one is loaded, all that is asked of FILE in this shell is answered from memory. Only for files that
# are never written again: contracts of built versions, which are only ever replaced by themselves. Shells read byte by byte, so this pays.
kv_load() {
	KV_FILE=
	KV_WORDS=
	while read -r _k _v; do KV_WORDS="$KV_WORDS $_k ${_v:--}"; done <"$1"
	KV_FILE=$1
}

# kv_list FILE PREFIX: decoded values of PREFIX.0, PREFIX.1 … in numeric order, one a line; values with a newline are refused.
kv_list() {
	[ -r "$1" ] || return 0
	_found=
	_lines=0
	while read -r _k _v; do
		case ${_k#"$2."} in
		"$_k" | '' | *[!0-9]*) ;;
		*)
			_found="$_found${_k#"$2."} $_v$NL"
			_lines=$((_lines + 1))
			;;
		esac
	done <"$1"
	case $_lines:$_found in
	0:*) ;;
	1:*%*) printf '%s' "${_found#* }" | decode ;;
	1:*) printf '%s' "${_found#* }" ;;
	*) printf '%s' "$_found" | sort -n | cut -d ' ' -f 2 | decode ;;
	esac
}

# kv_set FILE KEY: decoded values of a key that repeats, one a line.
kv_set() {
	kv_values "$1" "$2" || return "$?"
	printf '%s' "$VALUES"
}

# kv_values FILE KEY: the same, into VALUES.
kv_values() {
	VALUES=
	[ -r "$1" ] || return 0
	while read -r _k _v; do
		[ "$_k" != "$2" ] || VALUES=$VALUES$_v$NL
	done <"$1"
	case $VALUES in
	*%*) VALUES=$(printf '%s' "$VALUES" | decode)$NL ;;
	esac
}

# kv_indexes FILE PREFIX: the distinct N of PREFIX.N.… keys (health.0.kind, task names too), numbers in order, one a line.
kv_indexes() {
	[ -r "$1" ] || return 0
	_found=
	while read -r _k _v; do
		case $_k in
		"$2".*.*)
			_k=${_k#"$2."}
			_found=$_found${_k%%.*}$NL
			;;
		esac
	done <"$1"
	[ -z "$_found" ] || printf '%s' "$_found" | sort -nu
}

# kv_add KEY VALUE: the same line, at the end of TEXT, for write_file.
kv_add() {
	[ -n "$2" ] || return 0
	field "$2"
	TEXT="${TEXT:+$TEXT$NL}$1 $FIELD"
}

# kv_line KEY VALUE: prints one line, value encoded; nothing for an empty value.
kv_line() {
	[ -n "$2" ] || return 0
	field "$2"
	printf '%s %s\n' "$1" "$FIELD"
}
