# patch.sh: payloads of codec `patch`. A tree that is built here and one or more stages make the tree of the offer. Each stage leads from a tree to
# a tree: header line, index (patch-index.sh), blobs. Bytes are decoded into numbered files first; their digests and the old manifest make the new
# manifest; only when its digest is the signed one is a path of the patch used for anything (lay-tree.sh). Whatever is wrong ends the build with
# a word that tells the controller to send the full artifact instead:
#   base-missing base-damaged patch-corrupt verify-failed output-too-long no-codec decoder-failed

MAX_INDEX_BYTES=67108864
MAX_STAGES=16

# apply_patch: the payload of WORK/offer/envelope becomes WORK/tree and WORK/offer/manifest.
apply_patch() {
	open_payload tree "$WORK/offer/envelope"
	kv_raw "$WORK/offer/envelope" base
	_base=$RAW
	find_base "$T_COMPONENT" "$_base" || give_up 66 base-missing "no built version of $T_COMPONENT has the tree $_base"
	digest_is "$FROM_MANIFEST" "$_base" || give_up 65 base-damaged "the stored manifest of $_base is damaged"
	choose_link "$WORK"
	file_size "$PAYLOAD"
	_length=$SIZE
	_at=0
	_stages=0
	STAGE_TO=
	while [ "$STAGE_TO" != - ]; do
		_stages=$((_stages + 1))
		[ "$_stages" -le "$MAX_STAGES" ] || give_up 65 patch-corrupt "more than $MAX_STAGES stages"
		make_dir "$WORK/stage/new"
		read_stage "$WORK/stage"
		decode_groups "$WORK/stage"
		compose_manifest "$WORK/stage"
		check_counts "$WORK/offer/release" "$WORK/stage/manifest"
		lay_tree "$WORK/stage" "$WORK/tree.new"
		# The next stage starts where this one ended.
		remove_tree "$WORK/from"
		[ ! -d "$WORK/tree" ] || mv -T "$WORK/tree" "$WORK/from"
		mv -T "$WORK/tree.new" "$WORK/tree"
		mv -fT "$WORK/stage/manifest" "$WORK/offer/manifest"
		remove_tree "$WORK/stage"
		FROM_DIR=$WORK/tree
		FROM_MANIFEST=$WORK/offer/manifest
	done
	remove_tree "$WORK/from"
	[ "$_at" -eq "$_length" ] || give_up 65 patch-corrupt "$((_length - _at)) bytes follow the last stage"
	verify_tree "$WORK/tree" "$WORK/offer/manifest" "$WORK" || give_up 65 verify-failed "$PROBLEM"
}

# give_up CODE REASON EVIDENCE: ends the build of a patch that can never be applied here; nobody needs its bytes any more. On a full disk what was
# read back is short, and that is no fault of the patch.
give_up() {
	dd if=/dev/zero bs=65536 count=1 of="$WORK/room" 2>/dev/null || fail 74 write-failed "no room in $WORK: $(df -P "$WORK" | tail -n 1)"
	rm -f "$PAYLOAD"
	fail "$@"
}

# find_base COMPONENT DIGEST: sets FROM_DIR and FROM_MANIFEST to a built version with that tree; status 1 when there is none.
find_base() {
	for _release in "$STATE/components/$1"/releases/*/release; do
		{ kv_raw "$_release" tree && [ "$RAW" = "$2" ]; } || continue
		_version=${_release%/release}
		_version=${_version##*/}
		find_tree "$1" "$_version" && [ "$FOUND_TREE" = "$2" ] || continue
		kv_raw "$_release" root && unfield "$RAW" && place "$1" "$VALUE" && FROM_DIR=$PLACED/versions/$_version
		FROM_MANIFEST=${_release%/release}/manifest
		return 0
	done
	return 1
}

# slice OFFSET BYTES FILE: that part of the payload.
slice() {
	dd bs=65536 iflag=fullblock,skip_bytes,count_bytes skip="$1" count="$2" of="$3" <"$PAYLOAD" 2>/dev/null || fail 74 write-failed "cannot write $3"
}

# read_stage STAGE: the stage at _at; header and index. Sets STAGE_TO, leaves the work lists of check_index, moves _at to the first blob.
read_stage() {
	slice "$_at" 256 "$1/header"
	_line=
	{ IFS= read -r _line; } <"$1/header" 2>/dev/null || give_up 65 patch-corrupt "no header at byte $_at"
	_rest=${_line#cutover-patch/1 }
	STAGE_TO=${_rest%% *}
	_rest=${_rest#* }
	_codec=${_rest%% *}
	_rest=${_rest#* }
	_packed=${_rest%% *}
	_size=${_rest#* }
	[ "$STAGE_TO" = - ] || is_digest "$STAGE_TO" || give_up 65 patch-corrupt "the header at byte $_at names no tree"
	case $_codec in zstd | xz | gzip | none) ;; *) give_up 65 patch-corrupt "the header at byte $_at names no codec" ;; esac
	{ is_number "$_packed" && is_number "$_size"; } || give_up 65 patch-corrupt "the header at byte $_at says no lengths"
	[ "$_line" = "cutover-patch/1 $STAGE_TO $_codec $_packed $_size" ] || give_up 65 patch-corrupt "not a header at byte $_at"
	_at=$((_at + ${#_line} + 1))
	[ "$_packed" -le $((_length - _at)) ] || give_up 65 patch-corrupt "the index at byte $_at is cut off"
	{ [ "$_size" -le "$MAX_INDEX_BYTES" ] && [ "$_size" -le "$CAP" ]; } || give_up 65 output-too-long "an index of $_size bytes"
	need_codec "$_codec"
	slice "$_at" "$_packed" "$1/index.packed"
	decode_exactly "$_codec" "$1/index.packed" "$1/index" "$_size"
	_at=$((_at + _packed))
	check_index "$1" $((CAP - _size)) $((_length - _at))
}

# need_codec CODEC: this host has the tool.
need_codec() {
	case $1 in
	none) ;;
	zstd-patch) has_zstd_patch || give_up 69 no-codec "zstd with --patch-from is not on this host" ;;
	bsdiff) has_tool bspatch || give_up 69 no-codec "bspatch is not on this host" ;;
	*) has_tool "$1" || give_up 69 no-codec "$1 is not on this host" ;;
	esac
}

# has_zstd_patch: zstd decodes against a reference since 1.4.5.
has_zstd_patch() { has_tool zstd && zstd --help 2>/dev/null </dev/null | grep -q -e --patch-from; }

# decode_exactly CODEC FILE OUT BYTES [REFERENCE]
decode_exactly() {
	decode_bytes "$1" "$2" "$3" "$4" "$MEMORY" "${5-}"
	[ "$SIZE" -le "$4" ] || give_up 65 output-too-long "$1 bytes unpack to more than the $4 that the index says"
	if [ "$DECODER_STATUS" -ge 126 ]; then give_up 71 decoder-failed "$DECODER_SAID"; fi
	[ "$DECODER_STATUS" -eq 0 ] || give_up 65 decoder-failed "$DECODER_SAID"
	[ "$SIZE" -eq "$4" ] || give_up 65 patch-corrupt "$1 bytes unpack to $SIZE bytes, not to $4"
}

# decode_groups STAGE: every group's blob becomes the numbered files new/1, new/2 … that it holds, each in its order.
decode_groups() {
	check_references "$1"
	while read -r _group _codec _bytes _output _references _files _first; do
		slice "$_at" "$_bytes" "$1/blob"
		_at=$((_at + _bytes))
		_reference=
		case $_references in
		0) ;;
		1)
			IFS= read -r _reference <"$1/references.$_group"
			_reference=$FROM_DIR/$_reference
			;;
		*)
			_reference=$1/reference
			in_tree "$FROM_DIR" "$1/references.$_group" cat -- >"$_reference" || fail 74 write-failed "cannot write the reference of group $_group"
			;;
		esac
		decode_exactly "$_codec" "$1/blob" "$1/decoded" "$_output" "$_reference"
		rm -f "$1/blob" "$1/reference"
		if [ "$_files" -eq 1 ]; then
			mv -fT "$1/decoded" "$1/new/$_first"
		else
			while read -r _number _size <&4; do
				dd bs=65536 iflag=fullblock,count_bytes count="$_size" of="$1/new/$_number" 2>/dev/null || fail 74 write-failed "cannot write a file of group $_group"
			done <"$1/decoded" 4<"$1/cuts.$_group"
			rm -f "$1/decoded"
		fi
	done <"$1/groups"
}

# in_tree DIR LIST COMMAND…: COMMAND with the paths of LIST (one a line, each starting with ./) as its last arguments, in DIR, in as few processes
# as their number allows; nothing when there are none.
in_tree() {
	[ -s "$2" ] || return 0
	_dir=$1
	_list=$2
	shift 2
	tr '\n' '\000' <"$_list" | (cd "$_dir" && exec xargs -0 "$@")
}

# check_references STAGE: what the decoders will take for granted is hashed before the first one runs (T14).
check_references() {
	in_tree "$FROM_DIR" "$1/references" sha256sum -- >"$1/references.have" 2>"$1/err" || give_up 65 base-damaged "$(head -c 500 "$1/err")"
	[ -s "$1/references" ] || return 0
	cmp -s "$1/references.want" "$1/references.have" || give_up 65 base-damaged "as signed, and indented as found: $(list_difference "$1/references.want" "$1/references.have" | head -n 4 | head -c 1000)"
}

# compose_manifest STAGE: STAGE/manifest, the tree that this stage leads to by its own words, is the signed one, or what the stage itself
# announced, and it keeps to the grammar: only now its paths mean anything.
compose_manifest() {
	(cd "$1/new" && find . -type f -exec sha256sum {} + </dev/null) >"$1/sums" || fail 74 read-failed "cannot read back what was decoded"
	compose_lines "$1" | sort >"$1/manifest" || fail 74 write-failed "cannot write the manifest"
	_wanted=$STAGE_TO
	[ "$_wanted" != - ] || _wanted=$TREE
	digest_is "$1/manifest" "$_wanted" || give_up 65 patch-corrupt "it makes another tree than $_wanted"
	COUNTS=$(check_manifest "$1/manifest" tree) || give_up 65 patch-corrupt "$COUNTS"
}

# check_counts RELEASE MANIFEST: the release key signed these numbers, too; without a patch `offer` compares them. What no release key signed, a
# tree on the way, may be larger, but cannot fill the disk (P13).
check_counts() {
	kv_raw "$1" tree.files
	_files=$RAW
	kv_raw "$1" tree.bytes
	if [ "$STAGE_TO" = - ]; then
		[ "$COUNTS" = "$_files $RAW" ] || fail 65 bad-manifest "the tree has ${COUNTS% *} files of ${COUNTS#* } bytes, the release says $_files of $RAW"
	else
		[ "${COUNTS#* }" -le $((RAW * 4 + 67108864)) ] && [ "$(wc -l <"$2")" -le $((_files * 4 + 65536)) ] ||
			give_up 65 output-too-long "a tree on the way has ${COUNTS% *} files of ${COUNTS#* } bytes"
	fi
}
