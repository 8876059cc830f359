# build.sh: store `directory`. A payload becomes ROOT/versions/VERSION, a bundle STATE/bundles/HEX: unpacked into a fresh directory, compared
# with the signed manifest entry by entry, made durable, then renamed into place (P1, P3). Whatever fails leaves nothing behind.

# task build do: done at once when the version is built and verified with the same digest; else from the payloads of this run's offer.
task_build_do() {
	_offer=$(offer_dir "$T_COMPONENT" "$T_VERSION")
	if [ ! -f "$_offer/release" ]; then
		tree_of_version "$T_COMPONENT" "$T_VERSION" >/dev/null || fail 66 not-offered "$T_COMPONENT $T_VERSION was not offered to this host"
		printf 'already built\n'
		return 0
	fi
	check_trust
	kv_raw "$_offer/release" root && unfield "$RAW" && place "$T_COMPONENT" "$VALUE" && ROOT=$PLACED
	check_root "$T_COMPONENT" "$ROOT"
	make_root "$ROOT"
	make_dir "$T_DIR/releases"
	WORK=$ROOT/.building-$T_RUN.$T_COMPONENT
	BUNDLE_WORK=$STATE/bundles/.building-$T_RUN.$T_COMPONENT
	exec 6>>"$T_DIR/build.lock"
	lock_wait 6 600 || fail 75 busy "another build of $T_COMPONENT goes on"
	trap 'remove_tree "$WORK"; remove_tree "$BUNDLE_WORK"' EXIT
	trap 'exit 71' HUP INT TERM
	# Nobody else builds this component now: what an interrupted build left is rubbish.
	for _left in "$ROOT"/.building-*."$T_COMPONENT" "$STATE"/bundles/.building-*."$T_COMPONENT"; do
		remove_tree "$_left"
	done
	make_dir "$WORK/offer"
	cp "$_offer"/* "$WORK/offer/" || fail 74 write-failed "cannot copy the offer"
	# Another session may have replaced the offer between two of its files: only what was verified together is built (T4).
	{ kv_raw "$WORK/offer/envelope" release && [ "$RAW" = "$(file_digest "$WORK/offer/release")" ]; } || fail 75 busy "the offer was replaced meanwhile"
	build_bundle
	build_tree
}

# make_root ROOT: ROOT and ROOT/versions exist, open to services for reading, private for writing (T11).
make_root() {
	_near=$1
	until [ -e "$_near" ]; do _near=${_near%/*}; done
	check_private "$(readlink -f "$_near")"
	if [ ! -d "$1/versions" ]; then
		(umask 022 && mkdir -p "$1/versions") || fail 73 cannot-create "cannot create $1/versions"
		sync_path "$1/versions" "$1" "${1%/*}"
	fi
	check_private "$(readlink -f "$1")/versions"
}

build_tree() {
	kv_raw "$WORK/offer/release" tree && _tree=$RAW
	_final=$ROOT/versions/$T_VERSION
	if [ -e "$_final" ] || [ -L "$_final" ]; then
		_have=$(tree_of_version "$T_COMPONENT" "$T_VERSION") || _have=
		if [ -n "$_have" ]; then
			[ "$_have" = "$_tree" ] || fail 65 tree-differs "$T_VERSION is built here with $_have"
			keep_release
			printf 'already built %s\n' "$_tree"
			return 0
		fi
		# A directory without a marker or without a release was never announced as built; `current` never points at one.
		_current=$(current_version "$ROOT") || _current=
		[ "$_current" != "$T_VERSION" ] || fail 65 unverified-current "$_final is current, but has no valid marker"
		remove_tree "$_final" || fail 73 cannot-remove "$_final is in the way"
	fi
	uptime_cs
	_start=$UPTIME_CS
	unpack tree "$WORK/offer/manifest" "$WORK/offer/envelope" "$WORK"
	chmod 755 "$WORK/tree"
	keep_release
	settle "$WORK/tree" "$_final" "$_tree"
	ms_since "$_start"
	remove_payload tree
	printf 'built %s in %s ms\n' "$_tree" "$MS"
}

build_bundle() {
	kv_raw "$WORK/offer/release" bundle || return 0
	_tree=$RAW
	_final=$STATE/bundles/${_tree#sha256:}
	[ ! -f "$_final/.cutover-verified" ] || return 0
	remove_tree "$_final"
	make_dir "$BUNDLE_WORK"
	unpack bundle "$WORK/offer/bundle-manifest" "$WORK/offer/envelope" "$BUNDLE_WORK"
	chmod 755 "$BUNDLE_WORK/tree"
	settle "$BUNDLE_WORK/tree" "$_final" "$_tree"
	remove_payload bundle
}

# keep_release: the verified contract and manifests go to releases/VERSION, before the version itself appears. A version that is built keeps
# a contract at every instant, for it may be the one to go back to: there each file is replaced by itself, the contract last.
keep_release() {
	_keep=$T_DIR/releases/$T_VERSION
	if [ -f "$_keep/release" ]; then
		for _name in bundle-manifest manifest release.sig release; do
			[ -f "$WORK/offer/$_name" ] || continue
			cmp -s "$WORK/offer/$_name" "$_keep/$_name" || atomic_write "$_keep/$_name" <"$WORK/offer/$_name"
		done
		return 0
	fi
	rm -rf "$_keep" "$T_DIR/releases/.$T_VERSION.new"
	mkdir "$T_DIR/releases/.$T_VERSION.new" || fail 73 cannot-create "cannot create a directory in $T_DIR/releases"
	for _name in release release.sig manifest bundle-manifest; do
		[ ! -f "$WORK/offer/$_name" ] || cp "$WORK/offer/$_name" "$T_DIR/releases/.$T_VERSION.new/$_name" || fail 74 write-failed "cannot keep the release"
	done
	sync_path "$T_DIR/releases/.$T_VERSION.new"/* "$T_DIR/releases/.$T_VERSION.new"
	mv -T "$T_DIR/releases/.$T_VERSION.new" "$_keep"
	sync_dir "$T_DIR/releases"
}

# settle TREE FINAL DIGEST: marker, everything on disk, rename, parent on disk.
settle() {
	printf '%s\n' "$3" >"$1/.cutover-verified" || fail 74 write-failed "cannot write the marker"
	chmod 444 "$1/.cutover-verified"
	sync_tree "$1"
	mv -T "$1" "$2" || fail 73 cannot-create "cannot rename the tree to $2"
	sync_dir "${2%/*}"
}

# remove_payload tree|bundle: it is built now; nobody needs the bytes.
remove_payload() {
	kv_raw "$WORK/offer/envelope" "$1.payload"
	rm -f "$STATE/incoming/${RAW#sha256:}"
}

# unpack WHAT MANIFEST ENVELOPE WORKDIR: the payload becomes WORKDIR/tree, equal to MANIFEST in every entry. The envelope must be of this run.
unpack() {
	{ kv_raw "$3" run && [ "$RAW" = "$T_RUN" ]; } || fail 77 not-offered "the offer is of run $RAW, not $T_RUN"
	{ kv_raw "$3" expires && [ "$(date +%s)" -lt "$RAW" ]; } || fail 77 envelope-expired "the envelope expired at $RAW"
	kv_raw "$3" "$1.payload" && _hex=${RAW#sha256:}
	kv_raw "$3" "$1.codec" && _codec=$RAW
	kv_raw "$3" "$1.output-bytes" && _cap=$RAW
	kv_raw "$3" memory-mib && _memory=$RAW
	kv_raw "$3" "$1" && _tree=$RAW
	[ -f "$STATE/incoming/$_hex" ] || fail 66 payload-missing "the payload sha256:$_hex is not here"
	[ "$(file_digest "$STATE/incoming/$_hex")" = "sha256:$_hex" ] || {
		rm -f "$STATE/incoming/$_hex"
		fail 65 digest-mismatch "the stored payload is damaged; it was removed"
	}
	[ "$(file_digest "$2")" = "$_tree" ] || fail 65 manifest-mismatch "the stored manifest is not that of $_tree"
	decode_payload "$_codec" "$STATE/incoming/$_hex" "$4/tar" "$_cap" "$_memory"
	list_tar "$4/tar" >"$4/list" 2>"$4/tar.err" || fail 65 payload-corrupt "tar cannot list it: $(head -c 500 "$4/tar.err")"
	compare_list "$2" "$4/list" >"$4/problem" || fail 65 verify-failed "$(head -c 1000 "$4/problem")"
	make_dir "$4/tree"
	unpack_tar "$4/tar" "$4/tree" >"$4/tar.err" 2>&1 || fail 74 unpack-failed "$(head -c 1000 "$4/tar.err")"
	rm -f "$4/tar" "$4/list"
	verify_tree "$4/tree" "$2" "$4" || fail 65 verify-failed "$PROBLEM"
}

# decode_payload CODEC FILE OUT CAP MEMORY-MIB: never more than CAP bytes, never more memory than signed (T5, T13).
decode_payload() {
	(
		# shellcheck disable=SC3045 # every sh that we run under has it
		ulimit -S -v $((($5 + 512) * 1024)) 2>/dev/null || : # a backstop; the decoder's own limit comes first
		{
			_rc=0
			case $1 in
			zstd) zstd -dcq --memory="$5MB" <"$2" ;;
			xz)
				if xz --help 2>&1 | grep -q memlimit; then
					xz -dcq --memlimit-decompress="$5MiB" <"$2"
				else
					xz -dc <"$2"
				fi
				;;
			gzip) gzip -dcq <"$2" ;;
			none) cat <"$2" ;;
			esac || _rc=$?
			printf '%s\n' "$_rc" >"$3.rc"
		} 2>"$3.err" | dd bs=65536 iflag=fullblock,count_bytes count=$(($4 + 1)) of="$3" 2>/dev/null
	) || fail 74 write-failed "cannot write the unpacked stream: $(df -P "${3%/*}" | tail -n 1)"
	file_size "$3"
	[ "$SIZE" -le "$4" ] || fail 65 output-too-long "the payload unpacks to more than the signed $4 bytes"
	read_number "$3.rc" || NUMBER=70
	[ "$NUMBER" -eq 0 ] || fail 65 payload-corrupt "$1 ended with $NUMBER: $(head -c 500 "$3.err")"
}

# GNU tar prints names as they are only when asked; BusyBox has no such option and always does.
is_gnu_tar() { case $(tar --version 2>/dev/null </dev/null | head -n 1) in *'GNU tar'*) ;; *) return 1 ;; esac; }

list_tar() {
	if is_gnu_tar; then
		TZ=UTC0 tar --numeric-owner --quoting-style=literal -tvf "$1" </dev/null
	else
		TZ=UTC0 tar -tvf "$1" </dev/null
	fi
}

unpack_tar() {
	if is_gnu_tar; then
		tar -x -p -m --no-same-owner --delay-directory-restore -f "$1" -C "$2" </dev/null
	else
		tar -x -p -m -o -f "$1" -C "$2" </dev/null
	fi
}

# compare_list MANIFEST LIST: the archive's members are exactly the manifest's entries: same names, kinds, sizes, link targets, same order,
# each once, owner 0, time 0, no special bits. So no member can be absolute, climb, be a hard link or a device, or come twice (T15).
compare_list() {
	awk -v manifest="$1" "$AWK_DECODE"'
	function bad(why) { print why; failed = 1; exit 1 }
	function next_entry(   word, n) {
		if ((getline entry < manifest) <= 0) return 0
		n = split(entry, word, " ")
		path = decode(word[1]); kind = word[2]; size = word[4]
		target = kind == "l" ? decode(word[5]) : ""
		return 1
	}
	{
		if (!next_entry()) bad("the archive has more members than the manifest: " substr($0, 1, 200))
		if (!match($0, /^[-dl][-rwx][-rwx][-rwx][-rwx][-rwx][-rwx][-rwx][-rwx][-rwx] 0\/0 +[0-9]+ 1970-01-01 00:00(:00)? /))
			bad("not a plain member: " substr($0, 1, 200))
		head = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1)
		type = substr(head, 1, 1)
		if (type != (kind == "f" ? "-" : kind)) bad("not the kind that the manifest says: " substr($0, 1, 200))
		split(head, word, " +")
		if (kind == "f" && word[3] != size) bad("not the size that the manifest says: " substr($0, 1, 200))
		if (kind == "l") wanted = path " -> " target; else wanted = path
		if (rest != wanted && !(kind == "d" && rest == path "/")) bad("expected " substr(wanted, 1, 200) ", found " substr(rest, 1, 200))
	}
	END { if (!failed && next_entry()) { print "the archive lacks " path; exit 1 } }' "$2"
}

# shellcheck disable=SC2016 # awk, not shell
AWK_DECODE='
function decode(v,   n, part, i, text) {
	if (index(v, "%") == 0) return v
	n = split(v, part, "%"); text = part[1]
	for (i = 2; i <= n; i++) text = text BYTE[substr(part[i], 1, 2)] substr(part[i], 3)
	return text
}
BEGIN {
	HEX = "0123456789ABCDEF"
	for (i = 1; i < 256; i++) BYTE[substr(HEX, int(i / 16) + 1, 1) substr(HEX, i % 16 + 1, 1)] = sprintf("%c", i)
}'

# verify_tree DIR MANIFEST WORKDIR: DIR holds exactly what MANIFEST lists: names, kinds, modes, sizes, SHA-256, link targets, nothing else but
# the marker. Status 1 and PROBLEM (the first differences) otherwise. WORKDIR takes temporary lists.
verify_tree() {
	PROBLEM='not a directory'
	{ [ -d "$1" ] && [ ! -L "$1" ]; } || return 1
	rm -rf "$3/verify"
	mkdir "$3/verify" || fail 73 cannot-create "cannot create $3/verify"
	PROBLEM='a name with a newline or backslash'
	[ -z "$(find "$1" \( -name '*\\*' -o -name "*$NL*" \) -exec echo x \; </dev/null)" ] || return 1
	awk -v out="$3/verify/" "$AWK_DECODE"'
	BEGIN { base["f"] = 32768; base["d"] = 16384; base["l"] = 40960 }
	{
		path = "./" decode($1)
		mode = base[$2] + substr($3, 2, 1) * 64 + substr($3, 3, 1) * 8 + substr($3, 4, 1)
		printf "%x %s %s\n", mode, ($2 == "f" ? $4 : "-"), path > (out "want.stat")
		if ($2 == "f") printf "%s  %s\n", $5, path > (out "want.sum")
		if ($2 == "l") printf "%s -> %s\n", path, decode($5) > (out "want.link")
	}' "$2"
	for _list in stat sum link; do : >>"$3/verify/want.$_list"; done
	(
		cd "$1" &&
			find . -type f ! -path ./.cutover-verified -exec stat -c '%f %s %n' {} + >"$3/verify/have.stat" </dev/null &&
			find . -mindepth 1 ! -type f -exec stat -c '%f - %n' {} + >>"$3/verify/have.stat" </dev/null &&
			find . -type f ! -path ./.cutover-verified -exec sha256sum {} + >"$3/verify/have.sum" </dev/null &&
			find . -type l -exec sh -c 'for link do printf "%s -> " "$link"; readlink "$link"; done' sh {} + >"$3/verify/have.link" </dev/null
	) 2>"$3/verify/err" || { PROBLEM="cannot read the tree: $(head -c 500 "$3/verify/err")"; return 1; }
	for _list in stat sum link; do
		sort "$3/verify/want.$_list" >"$3/verify/want"
		sort "$3/verify/have.$_list" >"$3/verify/have"
		if ! cmp -s "$3/verify/want" "$3/verify/have"; then
			PROBLEM="$_list differs, as signed, and indented as found: $(list_difference "$3/verify/want" "$3/verify/have" | head -n 6 | head -c 1500)"
			return 1
		fi
	done
	rm -rf "$3/verify"
}

# list_difference WANT HAVE: lines of one file that the other has not.
list_difference() {
	awk 'FILENAME == ARGV[1] { want[$0] = 1; next } $0 in want { delete want[$0]; next } { print "  " $0 } END { for (line in want) print line }' "$1" "$2"
}

# verify_version COMPONENT VERSION WORKDIR: a built version still is what its release key signed, digest of the manifest included. Status 1 and
# PROBLEM otherwise. Needs load_contract.
verify_version() {
	kv_raw "$CONTRACT" tree && _tree=$RAW
	PROBLEM='its marker names another tree'
	[ "$(tree_of_version "$1" "$2")" = "$_tree" ] || return 1
	PROBLEM='the stored manifest is damaged'
	[ "$(file_digest "$T_DIR/releases/$2/manifest")" = "$_tree" ] || return 1
	verify_tree "$ROOT/versions/$2" "$T_DIR/releases/$2/manifest" "$3" || return 1
	kv_raw "$CONTRACT" bundle || return 0
	_tree=$RAW
	PROBLEM='the task bundle is not built'
	bundle_dir "$CONTRACT" >/dev/null || return 1
	PROBLEM="the stored manifest of the bundle is damaged"
	[ "$(file_digest "$T_DIR/releases/$2/bundle-manifest")" = "$_tree" ] || return 1
	verify_tree "$(bundle_dir "$CONTRACT")" "$T_DIR/releases/$2/bundle-manifest" "$3"
}

# task build undo: removes the version, unless it is current, committed, or part of a trial: those may be needed to go back to.
task_build_undo() {
	T_DIR=$STATE/components/$T_COMPONENT
	if [ ! -f "$T_DIR/releases/$T_VERSION/release" ]; then
		printf 'nothing to remove\n'
		return 0
	fi
	# Under the lock of switch and way back: neither may point current at what we are about to remove (P1).
	component_lock "$T_COMPONENT" 10 || fail 75 component-busy "somebody else works on $T_COMPONENT"
	load_contract "$T_COMPONENT" "$T_VERSION"
	_current=$(current_version "$ROOT") || _current=
	_committed=$(kv_get "$T_DIR/committed" version) || _committed=
	for _used in "$_current" "$_committed" $(trial_versions "$T_COMPONENT"); do
		if [ "$_used" = "$T_VERSION" ]; then
			printf 'kept: %s is in use\n' "$T_VERSION"
			return 0
		fi
	done
	_gone=$ROOT/.building-$T_RUN.$T_COMPONENT
	remove_tree "$_gone"
	[ ! -e "$ROOT/versions/$T_VERSION" ] || mv -T "$ROOT/versions/$T_VERSION" "$_gone" || fail 73 cannot-remove "cannot remove $ROOT/versions/$T_VERSION"
	sync_dir "$ROOT/versions"
	remove_tree "$_gone" || fail 73 cannot-remove "cannot remove $_gone"
	rm -rf "$T_DIR/releases/$T_VERSION"
	sync_dir "$T_DIR/releases"
	printf 'removed %s\n' "$T_VERSION"
}

# trial_versions COMPONENT: the versions a trial goes from and to, one a line.
trial_versions() {
	{ command -v trial_facts >/dev/null && trial_facts "$1"; } 2>/dev/null | while read -r _key _value; do
		case $_key in trial-from | trial-to) printf '%s\n' "$_value" ;; esac
	done
}
