# grammar.sh: what signed texts may say at all: the release, the envelope and the manifests, line by line. Unknown keys are refused.
# Asked only after the signature holds (trust.sh).

# check_text FILE: sorted unique ASCII `key value` lines, canonical encoding, within the size cap. Status 1 and PROBLEM otherwise.
check_text() {
	file_size "$1"
	PROBLEM="not between 1 and $MAX_KV_BYTES bytes"
	{ [ "$SIZE" -gt 0 ] && [ "$SIZE" -le "$MAX_KV_BYTES" ]; } || return 1
}

# The frame of all signed texts: sorted unique lines, and as many bytes as the file has: one with a NUL or without a newline at the end has not.
# shellcheck disable=SC2016 # awk, not shell
AWK_SORTED='
function bad(why) { print "line " NR ": " why; failed = 1; exit 1 }
NR > 1 && !(previous "" < $0 "") { bad("lines are not sorted, or not unique") }
{ previous = $0; framed += length($0) + 1 }
END { if (!failed && framed != size) { print "a NUL byte, or no newline at the end"; failed = 1; exit 1 } }'

# The first line that breaks the rules, or nothing. Rules: `KEY-REGEX TYPE` lines; `@` marks keys that may repeat, `!` keys that must be there.
# shellcheck disable=SC2016 # awk, not shell
GRAMMAR='
function value_problem(type, v,   w) {
	if (type == "number") return v !~ /^(0|[1-9][0-9]*)$/ || length(v) > 15
	if (type == "base" && v == "none") return 0
	if (type == "digest" || type == "base") return v !~ /^sha256:[0-9a-f]+$/ || length(v) != 71
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
	PROBLEM=$(awk -v rules="$2" -v size="$SIZE" "$AWK_SORTED$GRAMMAR" "$1") || PROBLEM=${PROBLEM:-cannot be read}
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
!switch.strategy none|restart|socket|exec|takeover|reuseport|signal|reload|balancer
switch.balancer.component component
switch.balancer.task task
switch.balancer.hold yes
switch.start relpath
switch.upgrade-signal signal
switch.stop-signal signal
switch.wind-down-signal signal
switch.reload-signal signal
switch.pid-file path
switch.ready-seconds number
switch.stop-seconds number
switch.socket.# socket
grade listener-safe|request-safe|stream-safe
env.# env
drain.task task
drain.seconds number
drain.not-ready-file path
drain.settle-seconds number
drain.until idle|deadline|([01][0-9]|2[0-3]):[0-5][0-9]Z?
drain.inflight.url url
drain.inflight.metric [A-Za-z_:][A-Za-z0-9_:]*
drain.inflight.file path
drain.inflight.task task
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
backup.task task
task.NAME.do file
task.NAME.undo file
task.NAME.seconds number
task.NAME.scope host|once
task.NAME.at prepare|before-switch|after-switch|finish
task.NAME.dry-run yes
needs.arch.# arch
needs.kernel dotted
needs.glibc dotted
needs.library.# library
needs.disk-mb number
needs.memory-mb number
needs.component.NAME ([0-9A-Za-z.+~=-]|%2[0A]|%3[CE]|%5E|%7C)+
needs.port.# number
upgrade.from ([0-9A-Za-z.+~=-]|%2[0A]|%3[CE]|%5E|%7C)+
upgrade.via.# version
migration.NAME expand|double-write|contract
migration.NAME.task task
probation.seconds number
probation.at-end stay|revert'

ENVELOPE_RULES='
!format cutover-envelope/1
!base base
!component component
!version version
!epoch number
!run run
!expires number
@host host
!memory-mib number
!release digest
!tree digest
!tree.codec zstd|xz|gzip|none|patch
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
	awk -v kind="$2" -v size="$SIZE" "$AWK_SORTED"'
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
