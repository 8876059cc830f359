# unpack.sh: the full payload, a packed tar, becomes a tree. And the one place where decoders are started, for patches too.

# open_payload WHAT ENVELOPE: sets PAYLOAD, CODEC, CAP, MEMORY and TREE as signed. The envelope must be of this run, the bytes whole and right.
open_payload() {
	{ kv_raw "$2" run && [ "$RAW" = "$T_RUN" ]; } || fail 77 not-offered "the offer is of run $RAW, not $T_RUN"
	{ kv_raw "$2" expires && [ "$(date +%s)" -lt "$RAW" ]; } || fail 77 envelope-expired "the envelope expired at $RAW"
	kv_raw "$2" "$1.codec" && CODEC=$RAW
	kv_raw "$2" "$1.output-bytes" && CAP=$RAW
	kv_raw "$2" memory-mib && MEMORY=$RAW
	kv_raw "$2" "$1" && TREE=$RAW
	kv_raw "$2" "$1.payload" && PAYLOAD=$STATE/incoming/${RAW#sha256:}
	[ -f "$PAYLOAD" ] || fail 66 payload-missing "the payload $RAW is not here"
	digest_is "$PAYLOAD" "$RAW" || {
		rm -f "$PAYLOAD"
		fail 65 digest-mismatch "the stored payload is damaged; it was removed"
	}
}

# unpack WHAT MANIFEST ENVELOPE WORKDIR: the payload becomes WORKDIR/tree, equal to MANIFEST in every entry.
unpack() {
	open_payload "$1" "$3"
	digest_is "$2" "$TREE" || fail 65 manifest-mismatch "the stored manifest is not that of $TREE"
	decode_bytes "$CODEC" "$PAYLOAD" "$4/tar" "$CAP" "$MEMORY"
	[ "$SIZE" -le "$CAP" ] || fail 65 output-too-long "the payload unpacks to more than the signed $CAP bytes"
	[ "$DECODER_STATUS" -eq 0 ] || fail 65 payload-corrupt "$DECODER_SAID"
	list_tar "$4/tar" >"$4/list" 2>"$4/tar.err" || fail 65 payload-corrupt "tar cannot list it: $(head -c 500 "$4/tar.err")"
	compare_list "$2" "$4/list" >"$4/problem" || fail 65 verify-failed "$(head -c 1000 "$4/problem")"
	make_dir "$4/tree"
	unpack_tar "$4/tar" "$4/tree" >"$4/tar.err" 2>&1 || fail 74 unpack-failed "$(head -c 1000 "$4/tar.err")"
	rm -f "$4/tar" "$4/list"
	verify_tree "$4/tree" "$2" "$4" || fail 65 verify-failed "$PROBLEM"
}

# decode_bytes CODEC FILE OUT CAP MEMORY-MIB [REFERENCE]: never more than CAP bytes and one that tells, never more memory than signed (T5, T13).
# Sets SIZE; what the decoder ended with is in DECODER_STATUS and DECODER_SAID. Only signed bytes come here (P2, T12).
decode_bytes() {
	(
		# A backstop; the decoder's own limit comes first. xz may start threads.
		_slack=192
		[ "$1" != xz ] || _slack=512
		# shellcheck disable=SC3045 # every sh that we run under has it
		ulimit -S -v $((($5 + _slack) * 1024)) 2>/dev/null || :
		{
			_rc=0
			case $1 in
			zstd) zstd -dcq --memory="$5MB" <"$2" ;;
			zstd-patch) zstd -dcq --memory="$5MB" --patch-from="$6" <"$2" ;;
			bsdiff) bspatch "$6" /proc/self/fd/1 "$2" </dev/null ;;
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
	read_number "$3.rc" || NUMBER=70
	DECODER_STATUS=$NUMBER
	DECODER_SAID=
	[ "$NUMBER" -eq 0 ] || DECODER_SAID="$1 ended with $NUMBER: $(head -c 500 "$3.err")"
	rm -f "$3.rc" "$3.err"
}

# GNU tar prints names as they are only when asked; BusyBox has no such option and always does.
is_gnu_tar() {
	[ -n "${TAR_VERSION-}" ] || TAR_VERSION=$(tar --version 2>/dev/null </dev/null) || TAR_VERSION=other
	case $TAR_VERSION in *'GNU tar'*) ;; *) return 1 ;; esac
}

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
		# As an ordinary user it takes the umask from modes, whatever -p says.
		(umask 0 && exec tar -x -p -m -o -f "$1" -C "$2" </dev/null)
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
