# receive.sh: what comes in. Documents (kept for the session), offers (verified, then stored), payload bytes (resumable, digest-checked).

MAX_MEMORY_MIB=1024

# receive_bytes COUNT: exactly COUNT bytes of the session's stdin to stdout. Status 74 when writing failed, 76 when the stream ended early.
receive_bytes() {
	: >"$SESSION_DIR/dd"
	[ "$1" -gt 0 ] || return 0
	dd bs=65536 iflag=fullblock,count_bytes count="$1" 2>"$SESSION_DIR/dd" || return 74
}

# received FILE OFFSET: sets SIZE of a file to which receive_bytes has just written at OFFSET, from what dd said; not every dd counts.
received() {
	SIZE=
	{ read -r _ && read -r _ && read -r SIZE _; } 2>/dev/null <"$SESSION_DIR/dd" || SIZE=
	if is_number "$SIZE"; then SIZE=$(($2 + SIZE)); else file_size "$1"; fi
}

# drain COUNT: read a refused payload away so that the session can go on; too long a one ends the session.
drain() {
	[ "$1" -le "$MAX_MANIFEST_BYTES" ] || fail 76 bad-frame "a refused payload of $1 bytes is not read"
	receive_bytes "$1" >/dev/null
}

# refuse BYTES CODE REASON EVIDENCE: fail, after reading the payload away.
refuse() {
	drain "$1"
	shift
	fail "$@"
}

# doc NAME BYTES + payload: keeps a text for this session. Nothing of it is believed before `offer`.
verb_doc() {
	{ [ $# -eq 2 ] && is_number "$2"; } || fail 76 bad-frame "doc NAME BYTES"
	case $1 in
	release | release.sig | envelope | envelope.sig) _cap=$MAX_KV_BYTES ;;
	manifest | bundle-manifest) _cap=$MAX_MANIFEST_BYTES ;;
	*) refuse "$2" 64 bad-request "no document is called $1" ;;
	esac
	need_fence "$2"
	[ "$2" -le "$_cap" ] || refuse "$2" 65 too-long "$1 may have $_cap bytes"
	receive_bytes "$2" >"$SESSION_DIR/doc/$1" || fail 76 write-failed "cannot keep $1"
	received "$SESSION_DIR/doc/$1" 0
	[ "$SIZE" -eq "$2" ] || fail 76 short-payload "$SIZE of $2 bytes came"
	ok
}

# offer COMPONENT VERSION: verifies the session's documents, in the order of the written protocol, stores them, persists the sequence.
# Replies `built|needed` for the tree and `built|needed|none` for the bundle.
verb_offer() {
	{ [ $# -eq 2 ] && is_component "$1" && is_version "$2"; } || fail 64 bad-request "offer COMPONENT VERSION"
	need_fence 0
	O_DIR=$SESSION_DIR
	check_trust
	for _name in release release.sig envelope envelope.sig; do
		[ -f "$O_DIR/doc/$_name" ] || fail 66 document-missing "$_name was not sent"
	done
	verify_signature "$O_DIR/doc/release" "$O_DIR/doc/release.sig" "$STATE/trust/release_signers" release cutover-release "$THRESHOLD" "$O_DIR"
	verify_signature "$O_DIR/doc/envelope" "$O_DIR/doc/envelope.sig" "$STATE/trust/controllers" controller cutover-envelope 1 "$O_DIR"
	check_release "$1" "$2"
	check_envelope "$1" "$2"
	with_host_lock store_offer "$1" "$2"
	offered
	if [ -n "$BUNDLE" ]; then
		_state=needed
		[ ! -f "$STATE/bundles/${BUNDLE#sha256:}/.cutover-verified" ] || _state=built
		ok "$VERSION_STATE" "$_state"
	else
		ok "$VERSION_STATE" none
	fi
}

# offered: remembers which payload digests this session may put, with their signed length.
offered() {
	for _what in tree bundle; do
		envelope_value "$_what.payload" || continue
		_hex=${RAW#sha256:}
		envelope_value "$_what.payload-bytes"
		printf '%s\n' "$RAW" >"$SESSION_DIR/payload.$_hex"
	done
}

# release_value KEY / envelope_value KEY: set RAW; grammar has made sure that needed keys are there and need no decoding. Both texts are held in
# memory from then on: nobody but this session writes them, and it does nothing else meanwhile.
release_value() { kv_raw "$O_DIR/doc/release" "$1"; }
envelope_value() { word_after "$1" "$ENVELOPE_WORDS"; }
release_is() { release_value "$1" && [ "$RAW" = "$2" ]; }
envelope_is() { envelope_value "$1" && [ "$RAW" = "$2" ]; }

# check_release COMPONENT VERSION: grammar, names, floor ≤ sequence ≤ highest seen + jump, expiry, places. Sets TREE BUNDLE VERSION_STATE SEQUENCE.
check_release() {
	check_grammar "$O_DIR/doc/release" "$RELEASE_RULES" || fail 65 bad-release "$PROBLEM"
	kv_load "$O_DIR/doc/release"
	release_is component "$1" || fail 65 component-differs "the release is for $RAW"
	release_is version "$2" || fail 65 version-differs "the release is $RAW"
	release_value tree && TREE=$RAW
	BUNDLE=
	! release_value bundle || BUNDLE=$RAW
	release_value sequence && SEQUENCE=$RAW
	_floor=0
	! read_number "$STATE/components/$1/floor" || _floor=$NUMBER
	[ "$SEQUENCE" -ge "$_floor" ] || fail 77 below-floor "sequence $SEQUENCE is below this host's floor $_floor"
	if read_number "$STATE/components/$1/sequence"; then
		_jump=1000
		! kv_raw "$STATE/enrolment" jump || _jump=$RAW
		[ "$SEQUENCE" -le $((NUMBER + _jump)) ] || fail 77 sequence-jump "sequence $SEQUENCE is more than $_jump above $NUMBER, the highest seen"
	fi
	release_value root && unfield "$RAW" && place "$1" "$VALUE" && ROOT=$PLACED
	check_root "$1" "$ROOT"
	VERSION_STATE=needed
	if find_tree "$1" "$2"; then
		[ "$FOUND_TREE" = "$TREE" ] || fail 65 tree-differs "$2 is built here with $FOUND_TREE"
		VERSION_STATE=built
	fi
	release_value expires
	if [ "$VERSION_STATE" = needed ] && [ "$(date +%s)" -ge "$RAW" ]; then
		fail 77 expired "the release expired at $RAW"
	fi
	_backups=$(kv_list "$O_DIR/doc/release" backup)
	while read -r _backup; do
		[ -z "$_backup" ] || check_backup_path "$ROOT" "$PREFIX$_backup"
	done <<-END
		$_backups
	END
	! _file=$(kv_get "$O_DIR/doc/release" drain.not-ready-file) || check_written_path "$ROOT" "$PREFIX$_file" drain
}

# check_envelope COMPONENT VERSION: this host, epoch, run, expiry; that it binds exactly this release, tree, bundle and manifest (T4).
check_envelope() {
	check_grammar "$O_DIR/doc/envelope" "$ENVELOPE_RULES" || fail 65 bad-envelope "$PROBLEM"
	# Of thousands of hosts only this one counts.
	ENVELOPE_WORDS=$(awk -v name="$HOST_NAME" '$1 != "host" || $2 "" == name ""' "$O_DIR/doc/envelope")
	envelope_is host "$HOST_NAME" || fail 77 wrong-host "the envelope does not name $HOST_NAME"
	envelope_is epoch "$FENCE_EPOCH" || fail 77 envelope-epoch "the envelope is of epoch $RAW, the session of $FENCE_EPOCH"
	envelope_is run "$FENCE_RUN" || fail 77 envelope-run "the envelope is of run $RAW, the session of $FENCE_RUN"
	{ envelope_value expires && [ "$(date +%s)" -lt "$RAW" ]; } || fail 77 envelope-expired "the envelope expired at $RAW"
	envelope_is component "$1" || fail 77 envelope-mismatch "the envelope is for component $RAW"
	envelope_is version "$2" || fail 77 envelope-mismatch "the envelope is for version $RAW"
	envelope_value release && digest_is "$O_DIR/doc/release" "$RAW" || fail 77 envelope-mismatch "the envelope binds another release text"
	envelope_is tree "$TREE" || fail 77 envelope-mismatch "the envelope binds tree $RAW"
	check_tree "$1"
	_given=0
	for _key in bundle bundle.codec bundle.payload bundle.payload-bytes bundle.output-bytes; do
		! envelope_value "$_key" || _given=$((_given + 1))
	done
	if [ -z "$BUNDLE" ]; then
		[ "$_given" -eq 0 ] || fail 77 envelope-mismatch "the envelope has a bundle, the release none"
		return 0
	fi
	[ "$_given" -eq 5 ] || fail 65 bad-envelope "the bundle's keys come all or none"
	envelope_is bundle "$BUNDLE" || fail 77 envelope-mismatch "the envelope binds bundle $RAW"
	[ -f "$O_DIR/doc/bundle-manifest" ] || fail 66 document-missing "bundle-manifest was not sent"
	digest_is "$O_DIR/doc/bundle-manifest" "$BUNDLE" || fail 65 manifest-mismatch "the bundle's manifest is not that of $BUNDLE"
	_sizes=$(check_manifest "$O_DIR/doc/bundle-manifest" bundle) || fail 65 bad-manifest "bundle: $_sizes"
	release_is bundle.bytes "${_sizes#* }" || fail 65 bad-manifest "the bundle has ${_sizes#* } bytes, the release says ${RAW:-nothing}"
	check_lengths bundle $((${_sizes#* } + $(wc -l <"$O_DIR/doc/bundle-manifest") * 16384 + 65536))
	check_codec bundle
}

# check_tree COMPONENT: the manifest is the signed tree's and holds what the release says; of a patch, which sends none, that is compared when it is
# applied (patch.sh). A stage of a patch may lead over a larger tree than the signed one, and has an index: four times it and 65 MiB are allowed.
check_tree() {
	if envelope_is tree.codec patch; then
		! envelope_is base none || fail 65 bad-envelope "a patch without a base"
		_base=$RAW
		[ "$VERSION_STATE" = built ] || find_base "$1" "$_base" || fail 66 base-missing "no built version of $1 has the tree $_base"
		release_value tree.bytes
		_most=$((RAW * 4 + 68157440))
		# A chain may honestly lead over a tree that is too large for that: the word asks for the full artifact.
		{ envelope_value tree.output-bytes && [ "$RAW" -le "$_most" ]; } || fail 65 output-too-long "tree.output-bytes is $RAW; for a patch to that tree a host takes $_most"
		check_lengths tree "$_most" "$_most"
		return 0
	fi
	envelope_is base none || fail 65 bad-envelope "a base, but no patch"
	[ -f "$O_DIR/doc/manifest" ] || fail 66 document-missing "manifest was not sent"
	digest_is "$O_DIR/doc/manifest" "$TREE" || fail 65 manifest-mismatch "the manifest is not that of $TREE"
	_sizes=$(check_manifest "$O_DIR/doc/manifest" tree) || fail 65 bad-manifest "$_sizes"
	release_is tree.files "${_sizes% *}" || fail 65 bad-manifest "the manifest has ${_sizes% *} files, the release says $RAW"
	release_is tree.bytes "${_sizes#* }" || fail 65 bad-manifest "the manifest has ${_sizes#* } bytes, the release says $RAW"
	check_lengths tree $((${_sizes#* } + $(wc -l <"$O_DIR/doc/manifest") * 16384 + 65536))
	check_codec tree
}

# check_lengths tree|bundle LIMIT [PAYLOAD-LIMIT]: the controller signs lengths and the decoder's memory, the release key signed how large the tree
# is. An archive is no longer than LIMIT (its files, and headers with the longest names), a payload hardly longer than its archive unless another
# limit is given: a stolen controller's key fills neither the disk nor the memory (P13, T13, T29).
check_lengths() {
	envelope_value "$1.output-bytes" && [ "$RAW" -le "$2" ] || fail 77 length-not-allowed "$1.output-bytes is $RAW; what the release key signed fits into $2"
	_limit=${3:-$((RAW + RAW / 32 + 65536))}
	envelope_value "$1.payload-bytes" && [ "$RAW" -le "$_limit" ] || fail 77 length-not-allowed "$1.payload-bytes is $RAW; $_limit are enough for that"
	envelope_value memory-mib && [ "$RAW" -le "$MAX_MEMORY_MIB" ] || fail 77 length-not-allowed "memory-mib is $RAW; a decoder may have $MAX_MEMORY_MIB here"
}

# check_codec tree|bundle: this host can decode it.
check_codec() {
	envelope_value "$1.codec"
	[ "$RAW" = none ] || has_tool "$RAW" || fail 69 no-codec "$RAW is not on this host"
}

# store_offer COMPONENT VERSION: under the writer lock; a later verified offer replaces an earlier one.
store_offer() {
	check_epoch_still
	make_dir "$STATE/offers/$1"
	make_dir "$STATE/components/$1"
	_new=$STATE/offers/$1/.$2.$SESSION_ID
	make_dir "$_new"
	for _name in release release.sig envelope envelope.sig; do set -- "$@" "$O_DIR/doc/$_name"; done
	# An earlier offer of the session may have sent more.
	envelope_is tree.codec patch || set -- "$@" "$O_DIR/doc/manifest"
	[ -z "$BUNDLE" ] || set -- "$@" "$O_DIR/doc/bundle-manifest"
	(shift 2 && cp "$@" "$_new/") || { remove_tree "$_new"; fail 74 write-failed "cannot store the offer"; }
	sync_path "$_new"/* "$_new"
	[ ! -e "$STATE/offers/$1/.$2.old" ] || rm -rf "$STATE/offers/$1/.$2.old"
	[ ! -e "$STATE/offers/$1/$2" ] || mv -T "$STATE/offers/$1/$2" "$STATE/offers/$1/.$2.old"
	mv -T "$_new" "$STATE/offers/$1/$2"
	sync_dir "$STATE/offers/$1"
	[ ! -e "$STATE/offers/$1/.$2.old" ] || rm -rf "$STATE/offers/$1/.$2.old"
	if ! read_number "$STATE/components/$1/sequence" || [ "$SEQUENCE" -gt "$NUMBER" ]; then
		write_file "$STATE/components/$1/sequence" "$SEQUENCE"
	fi
}

# have DIGEST: replies how many bytes of that payload are here; a complete one has its full size.
verb_have() {
	{ [ $# -eq 1 ] && is_digest "$1"; } || fail 64 bad-request "have DIGEST"
	need_fence 0
	_path=$STATE/incoming/${1#sha256:}
	[ -f "$_path" ] || _path=$_path.part
	file_size "$_path"
	ok "$SIZE"
}

# put DIGEST OFFSET BYTES + payload: appends to a payload that an offer of this run names, never past its signed length (T5). The last byte
# triggers the digest check; a part that fails it is removed.
verb_put() {
	{ [ $# -eq 3 ] && is_number "$3"; } || fail 76 bad-frame "put DIGEST OFFSET BYTES"
	{ is_digest "$1" && is_number "$2"; } || refuse "$3" 64 bad-request "put DIGEST OFFSET BYTES"
	need_fence "$3"
	_hex=${1#sha256:}
	signed_length "$_hex" || refuse "$3" 77 not-offered "no offer of run $FENCE_RUN names $1"
	[ $(($2 + $3)) -le "$LENGTH" ] || refuse "$3" 65 too-long "$2 + $3 is more than the signed length $LENGTH"
	(
		lock_wait 9 30 || refuse "$3" 75 busy "another session sends $1"
		append_payload "$@"
	) 9>>"$STATE/incoming/.$_hex.lock"
}

append_payload() {
	read_epoch
	[ "$EPOCH" -le "$FENCE_EPOCH" ] || refuse "$3" 75 stale-epoch "epoch $EPOCH is held by $HOLDER, yours is $FENCE_EPOCH"
	_path=$STATE/incoming/$_hex
	if [ -f "$_path" ]; then
		file_size "$_path"
		[ "$2" -eq "$SIZE" ] || refuse "$3" 65 offset-differs "$SIZE bytes are here"
		ok "$SIZE"
		return 0
	fi
	file_size "$_path.part"
	[ "$2" -eq "$SIZE" ] || refuse "$3" 65 offset-differs "$SIZE bytes are here"
	receive_bytes "$3" >>"$_path.part" || fail 76 write-failed "cannot write the payload: $(df -P "$STATE" | tail -n 1)"
	received "$_path.part" "$2"
	[ "$SIZE" -eq $(($2 + $3)) ] || fail 76 short-payload "$SIZE of $(($2 + $3)) bytes are here"
	if [ "$SIZE" -lt "$LENGTH" ]; then
		ok "$SIZE"
		return 0
	fi
	if ! digest_is "$_path.part" "sha256:$_hex"; then
		rm -f "$_path.part"
		fail 65 digest-mismatch "$LENGTH bytes came, but they are not sha256:$_hex"
	fi
	sync_path "$_path.part"
	mv -fT "$_path.part" "$_path"
	sync_dir "$STATE/incoming"
	rm -f "$STATE/incoming/.$_hex.lock"
	ok "$SIZE"
}

# signed_length HEX: sets LENGTH to the length that an envelope of this run signs for the payload; status 1 when none does.
signed_length() {
	if [ -f "$SESSION_DIR/payload.$1" ]; then
		read -r LENGTH <"$SESSION_DIR/payload.$1"
		return 0
	fi
	for _envelope in "$STATE"/offers/*/*/envelope; do
		{ kv_raw "$_envelope" run && [ "$RAW" = "$FENCE_RUN" ]; } || continue
		for _what in tree bundle; do
			{ kv_raw "$_envelope" "$_what.payload" && [ "$RAW" = "sha256:$1" ]; } || continue
			kv_raw "$_envelope" "$_what.payload-bytes"
			LENGTH=$RAW
			printf '%s\n' "$LENGTH" >"$SESSION_DIR/payload.$1"
			return 0
		done
	done
	return 1
}
