# trust.sh: who may say what. Owners and modes of everything that is believed, signatures, the grammars of signed texts, allowed places.
# Order for every signed text: trust files → signature → grammar → meaning. Nothing is parsed before its signature holds (P2).

# check_private PATH…: each path and every parent up to / is owned by root (in user mode: or by us), is no symlink, and cannot be written
# by group or others. A sticky parent such as /tmp passes in user mode only. Else 78 unsafe-permissions (T9, T11).
check_private() {
	for _path in "$@"; do
		while [ -n "$_path" ]; do
			set -- "$@" "$_path"
			_path=${_path%/*}
		done
	done
	_stats=$(stat -c '%u %f %n' / "$@" 2>/dev/null) || fail 78 unsafe-permissions "cannot inspect $*"
	while read -r _uid _mode _name; do
		_mode=$((0x$_mode))
		if [ "$_uid" -ne 0 ] && { [ "$MODE" = system ] || [ "$_uid" -ne "$MY_UID" ]; }; then
			fail 78 unsafe-permissions "$_name belongs to uid $_uid"
		fi
		[ $((_mode & 0xf000)) -ne $((0xa000)) ] || fail 78 unsafe-permissions "$_name is a symlink"
		[ $((_mode & 0x12)) -eq 0 ] && continue
		[ "$MODE" = user ] && [ $((_mode & 0xf200)) -eq $((0x4200)) ] && continue
		fail 78 unsafe-permissions "$_name can be written by group or others"
	done <<-END
		$_stats
	END
}

# check_trust: enrolment and trust files are there, private and say something; no signer or a threshold of 0 installs nothing (T8).
check_trust() {
	for _file in enrolment trust/release_signers trust/controllers trust/revoked; do
		[ -f "$STATE/$_file" ] || fail 78 trust-missing "$STATE/$_file is not there"
	done
	check_private "$STATE/enrolment" "$STATE/trust/release_signers" "$STATE/trust/controllers" "$STATE/trust/revoked"
	[ -s "$STATE/trust/release_signers" ] || fail 78 trust-empty "no release key is enrolled"
	[ -s "$STATE/trust/controllers" ] || fail 78 trust-empty "no controller key is enrolled"
	kv_raw "$STATE/enrolment" threshold || fail 78 trust-empty "enrolment names no threshold"
	THRESHOLD=$RAW
	{ is_number "$THRESHOLD" && [ "$THRESHOLD" -ge 1 ]; } || fail 78 trust-empty "threshold $THRESHOLD accepts everything"
}

# verify_signature FILE SIGNATURES SIGNERS PRINCIPAL NAMESPACE K WORKDIR: at least K distinct keys of SIGNERS signed FILE as PRINCIPAL in
# NAMESPACE and none of those counted is revoked. SIGNATURES holds one armored block a signature, at most 16 (T7, T10). Else 77 bad-signature.
verify_signature() {
	rm -f "$7"/block.*
	awk -v prefix="$7/block." '
		/^-----BEGIN SSH SIGNATURE-----$/ { n++; open = 1 }
		open { if (n <= 16) print > (prefix n) }
		/^-----END SSH SIGNATURE-----$/ { if (open && n <= 16) close(prefix n); open = 0 }
		END { exit n > 16 }' "$2" || fail 77 bad-signature "more than 16 signature blocks"
	_keys=' '
	_count=0
	_said='no signature block'
	for _block in "$7"/block.*; do
		[ -f "$_block" ] || continue
		_rc=0
		_said=$(ssh-keygen -Y verify -f "$3" -I "$4" -n "$5" -s "$_block" -r "$STATE/trust/revoked" <"$1" 2>&1) || _rc=$?
		case $_rc in
		0) ;;
		126 | 127) fail 69 no-ssh-keygen "ssh-keygen cannot be run here" ;;
		*) continue ;;
		esac
		_key=${_said##*key }
		case $_said in Good*\ key\ SHA256:*) ;; *) continue ;; esac
		case $_keys in *" $_key "*) continue ;; esac
		_keys="$_keys$_key "
		_count=$((_count + 1))
	done
	rm -f "$7"/block.*
	[ "$_count" -ge "$6" ] || fail 77 bad-signature "$_count of $6 needed $4 keys signed ${1##*/}: $_said"
}

# check_contract WORKDIR: the kept contract of a built version still is signed by keys that are trusted today. Whoever leaves out `check` must
# not get at what a key signed that was revoked since (T7, P13). Needs load_contract.
check_contract() {
	check_trust
	verify_signature "$CONTRACT" "$CONTRACT.sig" "$STATE/trust/release_signers" release cutover-release "$THRESHOLD" "$1"
}

# check_text FILE: sorted unique ASCII `key value` lines, canonical encoding, within the size cap. Status 1 and PROBLEM otherwise.
check_text() {
	file_size "$1"
	PROBLEM="not between 1 and $MAX_KV_BYTES bytes"
	{ [ "$SIZE" -gt 0 ] && [ "$SIZE" -le "$MAX_KV_BYTES" ]; } || return 1
	PROBLEM='NUL byte'
	[ "$(tr -d '\000' <"$1" | wc -c)" -eq "$SIZE" ] || return 1
	PROBLEM='no newline at the end'
	[ -z "$(tail -c 1 "$1")" ] || return 1
	PROBLEM='lines are not sorted, or not unique'
	sort -c -u "$1" 2>/dev/null || return 1
	PROBLEM='ok'
}

# The first line that breaks the rules, or nothing. Rules: `KEY-REGEX TYPE` lines; `@` marks keys that may repeat, `!` keys that must be there.
# shellcheck disable=SC2016 # awk, not shell
GRAMMAR='
function bad(why) { print "line " NR ": " why; failed = 1; exit }
function value_problem(type, v,   w) {
	if (type == "number") return v !~ /^(0|[1-9][0-9]*)$/ || length(v) > 15
	if (type == "digest") return v !~ /^sha256:[0-9a-f]+$/ || length(v) != 71
	if (type == "component" || type == "task") return v !~ /^[a-z][a-z0-9-]*$/ || length(v) > 63
	if (type == "version") return v !~ /^[A-Za-z0-9][A-Za-z0-9._+-]*$/ || length(v) > 64
	if (type == "host") return v !~ /^[a-z0-9][a-z0-9.-]*$/ || length(v) > 63
	if (type == "run") return v !~ /^[a-z0-9][a-z0-9-]*$/ || length(v) > 64
	if (type == "path") return v !~ /^(\/[A-Za-z0-9._~:@+=,][A-Za-z0-9._~:@+=,-]*)+$/ || v "/" ~ /\/\.\.?\// || length(v) > 1024
	if (type == "relpath") return v !~ /^[A-Za-z0-9._~:@+=,][A-Za-z0-9._~:@+=,-]*(\/[A-Za-z0-9._~:@+=,][A-Za-z0-9._~:@+=,-]*)*$/ || "/" v "/" ~ /\/\.\.?\// || length(v) > 1024
	if (type == "file") return v !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ || length(v) > 64
	if (type == "unit") return v !~ /^[A-Za-z0-9_][A-Za-z0-9_:.@-]*\.(service|socket|target|timer|path|mount)$/ || length(v) > 255
	if (type == "socket") return v !~ /^[A-Za-z0-9_][A-Za-z0-9_:.@-]*\.socket$/ || length(v) > 255
	if (type == "signal") return v !~ /^(HUP|INT|QUIT|USR1|USR2|TERM|WINCH)$/
	if (type == "dotted") return v !~ /^[0-9]+(\.[0-9]+)+$/ || length(v) > 32
	if (type == "library") return v !~ /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/ || length(v) > 128
	if (type == "arch") return v !~ /^[a-z0-9_]+$/ || length(v) > 32
	if (type == "address") return v !~ /^([A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+)$/ || length(v) > 253
	if (type == "url") return v !~ /^https?:\/\/([A-Za-z0-9][A-Za-z0-9.-]*|%5B[0-9A-Fa-f:]+%5D)(:[0-9]+)?(\/([A-Za-z0-9._~:\/@+=,-]|%[0-9A-F][0-9A-F])*)?$/ || length(v) > 4096
	if (type == "env") {
		if (v !~ /^[A-Za-z_][A-Za-z0-9_]*=/ || length(v) > 16384 || v ~ /%[01][0-9A-F]|%7F/) return 1
		w = substr(v, 1, index(v, "=") - 1)
		return length(w) > 64 || w ~ /^(LD_.*|DYLD_.*|PATH|IFS|ENV|CDPATH|PS4|SHELLOPTS|BASHOPTS|BASH_.*|GLIBC_TUNABLES|GCONV_PATH|LOCPATH|NOTIFY_SOCKET|LISTEN_.*|CUTOVER_.*)$/
	}
	return v !~ ("^(" type ")$")
}
BEGIN {
	n = split(rules, rule, "\n")
	for (i = 1; i <= n; i++) {
		if (split(rule[i], word, " ") != 2) continue
		key = word[1]; mark = substr(key, 1, 1)
		if (mark == "!" || mark == "@") key = substr(key, 2)
		gsub(/\./, "\\.", key); gsub(/#/, "[0-9][0-9]*", key); gsub(/NAME/, "[a-z][a-z0-9-]*", key)
		count++; regex[count] = "^" key "$"; type[count] = word[2]; repeats[count] = (mark == "@")
		if (mark == "!") needed[substr(word[1], 2)] = 1
	}
}
{
	at = index($0, " ")
	if (at < 2) bad("no value")
	k = substr($0, 1, at - 1); v = substr($0, at + 1)
	if (v !~ /^([A-Za-z0-9._~:\/@+=,-]|%[0-9A-F][0-9A-F])+$/) bad("not percent-encoded")
	if (v ~ /%(2[B-F]|3[0-9A]|3D|4[0-9A-F]|5[0-9A]|5F|6[1-9A-F]|7[0-9A]|7E|00|0A)/) bad("needless or forbidden encoding")
	found = 0
	for (i = 1; i <= count && !found; i++) if (k ~ regex[i]) found = i
	if (!found) bad("unknown key " substr(k, 1, 64))
	if ((k in seen) && !repeats[found]) bad(k " twice")
	seen[k] = 1
	if (value_problem(type[found], v)) bad(k " has a value that is not allowed")
}
END { if (!failed) for (k in needed) if (!(k in seen)) { print k " is missing"; exit } }'

# check_grammar FILE RULES: status 1 and PROBLEM when a line is not allowed.
check_grammar() {
	check_text "$1" || return 1
	PROBLEM=$(awk -v rules="$2" "$GRAMMAR" "$1") || PROBLEM=${PROBLEM:-cannot be read}
	[ -z "$PROBLEM" ]
}

RELEASE_RULES='
!format cutover-release/1
!component component
!version version
!sequence number
!expires number
!floor number
!tree digest
!tree.bytes number
!tree.files number
bundle digest
bundle.bytes number
!deadline.seconds number
!root path
!manager systemd|process|none
!store directory
unit.# unit
!switch.strategy none|restart|socket|exec
switch.start relpath
switch.upgrade-signal signal
switch.stop-signal signal
switch.ready-seconds number
switch.stop-seconds number
switch.socket.# socket
env.# env
drain.task task
drain.seconds number
health.#.kind http|tcp|unit|executable
health.#.url url
health.#.samples number
health.#.max-failures number
health.#.interval-ms number
health.#.within-seconds number
health.#.address address
health.#.port number
health.#.unit unit
health.#.task task
backup.# path
task.NAME.do file
task.NAME.undo file
task.NAME.seconds number
task.NAME.scope host|once
needs.arch.# arch
needs.kernel dotted
needs.glibc dotted
needs.library.# library
needs.disk-mb number
needs.port.# number
probation.seconds number
probation.at-end stay|revert'

ENVELOPE_RULES='
!format cutover-envelope/1
!base none
!component component
!version version
!epoch number
!run run
!expires number
@host host
!memory-mib number
!release digest
!tree digest
!tree.codec zstd|xz|gzip|none
!tree.payload digest
!tree.payload-bytes number
!tree.output-bytes number
bundle digest
bundle.codec zstd|xz|gzip|none
bundle.payload digest
bundle.payload-bytes number
bundle.output-bytes number'

# check_manifest FILE KIND: the manifest grammar of a tree, or of a bundle (flat, regular files, mode 0755). Prints `FILES BYTES` of its
# files. Status 1 and the problem on stdout instead. Same rules as the publisher's (T15).
check_manifest() {
	file_size "$1"
	[ "$SIZE" -le "$MAX_MANIFEST_BYTES" ] || { printf 'larger than %s bytes\n' "$MAX_MANIFEST_BYTES"; return 1; }
	[ "$(tr -d '\000' <"$1" | wc -c)" -eq "$SIZE" ] || { printf 'NUL byte\n'; return 1; }
	[ -z "$(tail -c 1 "$1")" ] || { printf 'no newline at the end\n'; return 1; }
	sort -c -u "$1" 2>/dev/null || { printf 'lines are not sorted, or not unique\n'; return 1; }
	awk -v kind="$2" '
	function bad(why) { print "line " NR ": " why; failed = 1; exit 1 }
	function text_bad(v) {
		return v !~ /^([A-Za-z0-9._~:\/@+=,-]|%[0-9A-F][0-9A-F])+$/ || v ~ /%(2[B-F]|3[0-9A]|3D|4[0-9A-F]|5[0-9A]|5C|5F|6[1-9A-F]|7[0-9A]|7E|00|0A)/ || length(v) > 3072
	}
	NF != 5 || $0 != $1 " " $2 " " $3 " " $4 " " $5 { bad("not five words") }
	text_bad($1) || "/" $1 "/" ~ /\/\.?\.?\// { bad("path is not allowed") }
	$1 == ".cutover-verified" { bad("path is reserved") }
	$1 in seen { bad("path twice") }
	{
		seen[$1] = $2
		parent = $1
		if (sub(/\/[^\/]*$/, "", parent) && seen[parent] != "d") bad("parent is not a directory of the tree")
	}
	$3 !~ /^0[0-7][0-7][0-7]$/ || $4 !~ /^(0|[1-9][0-9]*)$/ || length($4) > 15 { bad("mode or size is not allowed") }
	kind == "bundle" && ($2 != "f" || $3 != "0755" || $1 ~ /\//) { bad("a bundle holds plain executables only") }
	$2 == "f" {
		if ($5 !~ /^[0-9a-f]+$/ || length($5) != 64) bad("not a SHA-256")
		files++; bytes += $4
		next
	}
	$4 != "0" { bad("only files have a size") }
	$2 == "d" { if ($5 != "-") bad("a directory ends with -"); next }
	$2 == "l" {
		if ($3 != "0777" || text_bad($5) || $5 ~ /^\// || $5 ~ /\/\// || $5 ~ /\/$/) bad("link is not allowed")
		n = split($5, part, "/"); depth = split($1, up, "/") - 1; named = 0
		for (i = 1; i <= n; i++) {
			if (part[i] == ".") continue
			if (part[i] != "..") { named = 1; continue }
			if (named || --depth < 0) bad("link leaves the tree")
		}
		next
	}
	{ bad("kind is not allowed") }
	END { if (!failed) printf "%d %.0f\n", files, bytes }' "$1"
}

# check_root COMPONENT ROOT: the contract's root is where enrolment allows it, also after following links (T35). Else 77 root-not-allowed.
check_root() {
	is_abs_path "$2" || fail 65 bad-release "root is not a canonical path"
	if [ "$1" = cutover-host ]; then
		[ "$2" = "$STATE/host" ] || fail 77 root-not-allowed "cutover-host lives in $STATE/host only"
		return 0
	fi
	within_bases "$2" || fail 77 root-not-allowed "$2 is not below a base directory of this host: $REFUSED"
	[ ! -L "$2/versions" ] || fail 77 root-not-allowed "$2/versions is a symlink"
}

# check_backup_path ROOT PATH: below a base, and not what must never be put back: versions, current, our own state. Else 77 backup-not-allowed.
# The directory that holds it is private, or whoever may write there puts a link in the way of what root restores (T11): else 78.
check_backup_path() {
	is_abs_path "$2" || fail 65 bad-release "backup path is not canonical"
	within_bases "$2" || fail 77 backup-not-allowed "$2 is not below a base directory of this host: $REFUSED"
	for _own in "$1/versions" "$1/current"; do
		case $2/ in "$_own"/*) fail 77 backup-not-allowed "$2 is inside $_own" ;; esac
		case $_own/ in "$2"/*) fail 77 backup-not-allowed "$2 holds $_own" ;; esac
	done
	_near=${2%/*}
	until [ -e "$_near" ]; do _near=${_near%/*}; done
	check_private "$(readlink -f "$_near")"
}

# within_bases PATH: strictly below an enrolled base, its nearest existing parent really there and private, and apart from STATE.
# Status 1 and REFUSED otherwise.
within_bases() {
	REFUSED='it holds or lies in the state directory'
	case $1/ in "$STATE"/*) return 1 ;; esac
	case $STATE/ in "$1"/*) return 1 ;; esac
	_near=$1
	until [ -e "$_near" ] || [ -L "$_near" ]; do _near=${_near%/*}; done
	REFUSED='a link leads nowhere'
	_real=$(readlink -f "$_near") || return 1
	[ -e "$_real" ] || return 1
	REFUSED='a link leads into the state directory'
	case $_real/ in "$STATE"/*) return 1 ;; esac
	_bases=$(kv_set "$STATE/enrolment" base)
	REFUSED='no base holds it'
	while read -r _base; do
		[ -n "$_base" ] || continue
		case $1 in "$_base"/?*) ;; *) continue ;; esac
		REFUSED='a link leaves the base'
		_base=$(readlink -f "$_base") || continue
		case $_real/ in "$_base"/*) return 0 ;; esac
	done <<-END
		$_bases
	END
	return 1
}
