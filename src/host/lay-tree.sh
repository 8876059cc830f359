# lay-tree.sh: a new tree beside an old one. What stays shares its bytes with the old tree (reflink where the file system can, else hard link), so
# nothing here may ever write into a file, or change the mode of one, that was not made new: the old version would change with it (P4).

# choose_link WORKDIR: sets LINK, the option of cp that shares bytes between FROM_DIR and WORKDIR. Tried once, on the base's marker.
choose_link() {
	LINK=
	for _option in --reflink=always -l; do
		rm -f "$1/shared" # a reflink that fails leaves an empty file
		if cp "$_option" -- "$FROM_DIR/.cutover-verified" "$1/shared" 2>/dev/null; then
			LINK=$_option
			break
		fi
	done
	rm -f "$1/shared"
	[ -n "$LINK" ] || give_up 69 no-codec "files of $FROM_DIR can neither be reflinked nor hard-linked from $1"
}

# lay_tree STAGE TREE: TREE, which must not exist, becomes what STAGE/manifest lists: FROM_DIR without what goes, with what STAGE made.
lay_tree() {
	cp -a "$LINK" -- "$FROM_DIR" "$2" 2>"$1/err" || fail 74 write-failed "cannot link the base: $(head -c 500 "$1/err")"
	rm -f "$2/.cutover-verified"
	list_lay "$1" "$2"
	# With every directory of the base a directory here, too, no path of it leads through a link.
	{ (cd "$2" && find . -mindepth 1 -type d </dev/null) | sort >"$1/lay/found.dirs" && sort <"$1/lay/base.dirs" >"$1/lay/wanted.dirs"; } || fail 74 write-failed "cannot list directories"
	cmp -s "$1/lay/found.dirs" "$1/lay/wanted.dirs" || give_up 65 base-damaged "the base's directories are not those of its manifest"
	[ "$MY_UID" -eq 0 ] || find "$2" -type d -exec chmod u+rwx {} + </dev/null
	{
		in_tree "$2" "$1/lay/remove.files" rm -f -- &&
			in_tree "$2" "$1/lay/remove.dirs" rmdir -- &&
			in_tree "$2" "$1/lay/make.dirs" mkdir -- &&
			copy_files "$1" "$2" &&
			in_tree "$2" "$1/lay/place" -n 2 mv -fT -- &&
			in_tree "$2" "$1/lay/links" -n 2 ln -sT -- &&
			set_modes "$1" "$2"
	} 2>"$1/err" || fail 74 write-failed "cannot lay the tree: $(head -c 500 "$1/err")"
}

# copy_files STAGE TREE: files of the base under other names share their bytes, those with other modes have their own. Whole runs of files that
# keep their names go from directory to directory at once.
copy_files() {
	_batch=0
	while IFS= read -r _to; do
		_batch=$((_batch + 1))
		# shellcheck disable=SC2016 # the inner shell's words
		in_tree "$FROM_DIR" "$1/lay/batch.$_batch" sh -c 'to=$1 link=$2; shift 2; exec cp -a "$link" -- "$@" "$to"' sh "$2/$_to" "$LINK" || return 1
	done <"$1/lay/batches"
	in_tree "$FROM_DIR" "$1/lay/shared" -n 2 cp -a "$LINK" -T -- && in_tree "$FROM_DIR" "$1/lay/copied" -n 2 cp -T --
}

set_modes() {
	while read -r _mode _made; do
		in_tree "$2" "$1/lay/$_made" chmod "$_mode" -- || return 1
	done <"$1/lay/modes"
}

# list_lay STAGE TREE: the lists that lay_tree works off, decoded, of paths that start with ./ where they are below the directory it works in.
# `place`, `links`, `shared` and `copied` hold pairs, source or target first.
list_lay() {
	mkdir "$1/lay" || fail 73 cannot-create "cannot create $1/lay"
	for _list in base.dirs remove.files remove.dirs make.dirs place links batches shared copied modes; do : >"$1/lay/$_list"; done
	_lines=$(awk -v stage="$1" -v tree="$2" "$AWK_DECODE"'
	function clear(path) { return "./" decode(path) }
	function list(name, text) { print text > (stage "/lay/" name); listed++ }
	function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
	function mode(kind, bits, path,   name) {
		name = "mode." kind "." bits
		list(name, path)
		if (!(name in modes)) { modes[name] = bits; order[++mode_count] = name }
	}
	FILENAME == ARGV[1] { gone[$1] = 1; next }
	FILENAME == ARGV[2] {
		made[$1] = $2
		if ($2 == "l") { list("links", decode($5)); list("links", clear($1)) }
		if ($5 ~ /^#/) { list("place", stage "/new/" substr($5, 2)); list("place", clear($1)); mode("f", $3, clear($1)) }
		next
	}
	FILENAME == ARGV[3] {
		from = clear($1); to = clear($2)
		if ($3 != "same") {
			list("copied", from); list("copied", tree "/" to); mode("f", $3, to)
			next
		}
		key = folder(from) "\n" folder(to)
		if (substr(from, length(folder(from)) + 1) != substr(to, length(folder(to)) + 1)) { list("shared", from); list("shared", tree "/" to); next }
		if (!members[key]++) keys[++key_count] = key
		member[key, members[key]] = from
		next
	}
	FILENAME == ARGV[4] {
		base[$1] = $2
		if ($2 == "d") list("base.dirs", clear($1))
		if (!($1 in made) && !($1 in gone) || made[$1] == "d" && $2 == "d") next
		if ($2 == "d") remove[++removed] = clear($1); else list("remove.files", clear($1))
		next
	}
	$2 == "d" {
		if (base[$1] != "d") list("make.dirs", clear($1))
		dir[++dirs] = clear($1); bits[dirs] = $3
	}
	END {
		for (i = removed; i > 0; i--) list("remove.dirs", remove[i])
		for (i = 1; i <= key_count; i++) {
			split(keys[i], pair, "\n")
			list("batches", pair[2])
			for (j = 1; j <= members[keys[i]]; j++) list("batch." i, member[keys[i], j])
			close(stage "/lay/batch." i)
		}
		for (i = dirs; i > 0; i--) mode("d", bits[i], dir[i])
		for (i = 1; i <= mode_count; i++) list("modes", modes[order[i]] " " order[i])
		print listed + 0
	}' "$1/gone" "$1/lines" "$1/copies" "$FROM_MANIFEST" "$1/manifest") || _lines=
	# Half a path may be the path of another file. On a full disk not every awk says that it wrote half a list.
	[ "$(cat "$1"/lay/* | wc -l)" = "$_lines" ] || fail 74 write-failed "cannot write the lists of what to lay"
}
