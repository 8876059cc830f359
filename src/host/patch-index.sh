# patch-index.sh: the index of a patch's stage. Checked line by line against the manifest of the tree that the stage starts from, and taken apart into
# lists that the next steps work off; then put together with digests into the lines of the new manifest.

# check_index STAGE OUTPUT-CAP BLOB-CAP: ends the build when STAGE/index breaks a rule. Leaves in STAGE
#   groups                 NUMBER CODEC BYTES OUTPUT REFERENCES FILES FIRST, one line a group; FIRST is the number of its first file
#   references.N, cuts.N   decoded paths of a group's reference; NUMBER SIZE of each of its files
#   references[.want]      every path that is a reference once, and what sha256sum should say about them
#   lines                  lines of the new manifest; a file that is still to be hashed has #NUMBER for its digest
#   gone                   paths that go; copies: OLDPATH PATH MODE
check_index() {
	for _list in groups references references.want lines gone copies; do : >"$1/$_list"; done
	[ "$(tr -d '\012\040-\176' <"$1/index" | wc -c)" -eq 0 ] || give_up 65 patch-corrupt "the index has bytes that are not text"
	[ -z "$(tail -c 1 "$1/index")" ] || give_up 65 patch-corrupt "the last line of the index does not end"
	_said=$(awk -v out="$1/" -v memory="$MEMORY" "$AWK_DECODE$INDEX_RULES" "$FROM_MANIFEST" "$1/index") || give_up 65 patch-corrupt "index: ${_said:-cannot be read}"
	read -r _output _blobs _lines <<-END
		$_said
	END
	[ "$_output" -le "$2" ] || give_up 65 output-too-long "a stage unpacks to $_output bytes; $2 are left of what is signed"
	[ "$_blobs" -le "$3" ] || give_up 65 patch-corrupt "the blobs have $_blobs bytes, $3 are there"
	# On a full disk not every awk says that it wrote half a list.
	[ "$(cat "$1/groups" "$1/references" "$1/lines" "$1/gone" "$1/copies" | wc -l)" -eq "$_lines" ] || fail 74 write-failed "cannot write the lists of a stage"
	for _codec in $(cut -d ' ' -f 2 "$1/groups" | sort -u); do need_codec "$_codec"; done
}

# shellcheck disable=SC2016 # awk, not shell
INDEX_RULES='
function list(name, text) { print text > (out name); listed++ }
function bad(why) { print "line " FNR ": " why; failed = 1; exit 1 }
function number_bad(v) { return v !~ /^(0|[1-9][0-9]*)$/ || length(v) > 15 }
function text_bad(v) { return v !~ /^([A-Za-z0-9._~:\/@+=,-]|%[0-9A-F][0-9A-F])+$/ || length(v) > 3072 }
function words(n) { if (NF != n || $0 !~ /^[^ ]+( [^ ]+)*$/) bad("not " n " words") }
function mode(v) { if (v !~ /^0[0-7][0-7][0-7]$/) bad("mode is not allowed") }
function new_path(path, kind) {
	if (text_bad(path) || ("/" path "/") ~ /\/\.?\.?\// || path == ".cutover-verified") bad("path is not allowed")
	if (path in named || path in gone && base_kind[path] == kind) bad("path twice")
	named[path] = 1
}
function old_file(path) { if (!(path in base_kind) || base_kind[path] != "f") bad("not a file of the base: " substr(path, 1, 200)) }
function reference(path,   clear) {
	old_file(path)
	clear = "./" decode(path)
	print clear > (out "references." group)
	references++; reference_bytes += base_size[path]
	if (reference_bytes > memory * 1048576) bad("a reference larger than the memory that is signed")
	if (path in hashed) return
	hashed[path] = 1
	list("references", clear)
	print base_sum[path] "  " clear > (out "references.want")
}
function end_group() {
	if (!open) return
	if (!files) bad("a group without a file")
	if (left != 0) bad("the sizes of a group do not add up")
	if (needs_reference && !references) bad("a group without the reference that its codec needs")
	if (!needs_reference && (references || same)) bad("a group with a reference that its codec cannot use")
	close(out "references." group); close(out "cuts." group)
	list("groups", group " " codec " " bytes " " output " " references " " files " " first)
	open = 0
}
FILENAME == ARGV[1] { base_kind[$1] = $2; base_mode[$1] = $3; base_size[$1] = $4; base_sum[$1] = $5; next }
$1 == "gone" {
	words(2)
	if (!($2 in base_kind)) bad("not in the base")
	if ($2 in gone || $2 in named) bad("path twice")
	gone[$2] = 1
	list("gone", $2)
	next
}
$1 == "dir" { words(3); new_path($2, "d"); mode($3); list("lines", $2 " d " $3 " 0 -"); next }
$1 == "link" { words(3); new_path($2, "l"); if (text_bad($3)) bad("target is not allowed"); list("lines", $2 " l 0777 0 " $3); next }
$1 == "copy" {
	words(4); old_file($2); new_path($3, "f"); mode($4)
	list("lines", $3 " f " $4 " " base_size[$2] " " base_sum[$2])
	list("copies", $2 " " $3 " " ($4 == base_mode[$2] ? "same" : $4))
	next
}
$1 == "group" {
	words(4); end_group()
	if (group >= 20000) bad("more than 20,000 groups")
	if ($2 !~ /^(zstd-patch|bsdiff|zstd|xz|gzip|none)$/) bad("codec is not allowed")
	if (number_bad($3) || number_bad($4)) bad("length is not allowed")
	open = 1; group++; codec = $2; bytes = $3; output = $4; left = $4 + 0
	references = 0; reference_bytes = 0; same = 0; files = 0; first = number + 1
	needs_reference = codec ~ /^(zstd-patch|bsdiff)$/
	blob_bytes += $3; output_bytes += $4
	next
}
$1 == "same" { words(1); if (!open || files || references || same) bad("not here"); same = 1; next }
$1 == "ref" { words(2); if (!open || files || same) bad("not here"); reference($2); next }
$1 == "file" {
	words(4)
	if (!open) bad("not here")
	new_path($2, "f"); mode($3)
	if (number_bad($4)) bad("size is not allowed")
	if (same) reference($2)
	number++; files++; left -= $4
	if (left < 0) bad("the sizes of a group do not add up")
	print number, $4 > (out "cuts." group)
	list("lines", $2 " f " $3 " " $4 " #" number)
	next
}
{ bad("unknown word") }
END {
	if (failed) exit 1
	end_group()
	if (failed) exit 1
	printf "%.0f %.0f %d\n", output_bytes, blob_bytes, listed
}'

# compose_lines STAGE: prints the lines of the new manifest, unsorted: those of the old one but for what is named, and the new ones.
compose_lines() {
	awk '
	FILENAME == ARGV[1] { sum["#" substr($2, 3)] = $1; next }
	FILENAME == ARGV[2] { named[$1] = 1; next }
	FILENAME == ARGV[3] { named[$1] = 1; if ($5 ~ /^#/) print $1, $2, $3, $4, sum[$5]; else print; next }
	!($1 in named)' "$1/sums" "$1/gone" "$1/lines" "$FROM_MANIFEST"
}
