# verify-tree.sh: whether a directory is exactly what a signed manifest lists; when it is built, and again before it is switched to.

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
	# One look at every entry; a name that would make two lines of one makes a line that no manifest can want. Directories that hide
	# something make find fail.
	# shellcheck disable=SC2016 # the inner shell's words
	(
		cd "$1" && find . -mindepth 1 \( -name '*\\*' -o -name "*$NL*" \) -exec echo 'a name with a newline or backslash' \; \
			-o -path ./.cutover-verified -type f \
			-o -type f -exec stat -c '%f %s %n' {} + -exec sha256sum {} + \
			-o -type l -exec stat -c '%f - %n' {} + -exec sh -c 'for link do printf "%s -> " "$link"; readlink "$link"; done' sh {} + \
			-o -exec stat -c '%f - %n' {} + >"$3/verify.have" </dev/null
	) 2>"$3/verify.err" || { PROBLEM="cannot read the tree: $(head -c 500 "$3/verify.err")"; return 1; }
	awk "$AWK_DECODE"'
	BEGIN { base["f"] = 32768; base["d"] = 16384; base["l"] = 40960 }
	function want(line) { wanted[line] = 1; count++ }
	FILENAME == ARGV[1] {
		path = "./" decode($1)
		mode = base[$2] + substr($3, 2, 1) * 64 + substr($3, 3, 1) * 8 + substr($3, 4, 1)
		want(sprintf("%x %s %s", mode, ($2 == "f" ? $4 : "-"), path))
		if ($2 == "f") want($5 "  " path)
		if ($2 == "l") want(path " -> " decode($5))
		next
	}
	$0 in wanted { delete wanted[$0]; count--; next }
	{ if (odd++ < 4) print "  " $0 }
	END {
		for (line in wanted) if (shown++ < 4) print line
		exit (odd + count > 0)
	}' "$2" "$3/verify.have" >"$3/verify.differs" || {
		PROBLEM="the tree differs, as signed, and indented as found: $(head -c 1500 "$3/verify.differs")"
		return 1
	}
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
	find_tree "$1" "$2" && [ "$FOUND_TREE" = "$_tree" ] || return 1
	PROBLEM='the stored manifest is damaged'
	digest_is "$T_DIR/releases/$2/manifest" "$_tree" || return 1
	verify_tree "$ROOT/versions/$2" "$T_DIR/releases/$2/manifest" "$3" || return 1
	kv_raw "$CONTRACT" bundle || return 0
	_tree=$RAW
	PROBLEM='the task bundle is not built'
	bundle_dir "$CONTRACT" >/dev/null || return 1
	PROBLEM="the stored manifest of the bundle is damaged"
	digest_is "$T_DIR/releases/$2/bundle-manifest" "$_tree" || return 1
	verify_tree "$(bundle_dir "$CONTRACT")" "$T_DIR/releases/$2/bundle-manifest" "$3"
}
