# files.sh: files and directories: durable writes, removal, sizes, digests, where a path really is.

# sync_path PATH…: fsync files or directories. sync_dir is the same, by its purpose: make a rename in it durable.
sync_path() { sync "$@" 2>/dev/null </dev/null || sync </dev/null; }
sync_dir() { sync_path "$1"; }

# sync_tree DIR: everything below DIR is on disk afterwards (syncfs where it exists).
sync_tree() { sync -f "$1" 2>/dev/null </dev/null || sync </dev/null; }

# atomic_write FILE: stdin → temporary, fsync, mv -T, fsync of the parent. The old content or the new, never a mix. The directories that it writes
# in are private, and one process writes one file at a time: a pid is name enough.
atomic_write() {
	own_pid
	_new=$1.new.$OWN_PID
	if cat >"$_new" && sync_path "$_new" && mv -fT "$_new" "$1"; then
		sync_dir "${1%/*}"
	else
		rm -f "$_new"
		fail 74 write-failed "cannot write $1"
	fi
}

# write_file FILE TEXT: atomic_write of a text at hand, without processes that hand it on. Read back, since not every printf tells a full disk.
write_file() {
	own_pid
	_new=$1.new.$OWN_PID
	if { printf '%s\n' "$2" >"$_new"; } 2>/dev/null && holds_text "$_new" "$2" && sync_path "$_new" && mv -fT "$_new" "$1"; then
		sync_dir "${1%/*}"
	else
		rm -f "$_new"
		fail 74 write-failed "cannot write $1"
	fi
}

# holds_text FILE TEXT: it is that text and a newline.
holds_text() {
	_back=
	while IFS= read -r _one; do _back=$_back$_one$NL; done <"$1"
	[ "$_back" = "$2$NL" ]
}

# make_dir DIR [MODE]: like mkdir -p for private directories; refuses to pass through a symlink at DIR itself.
make_dir() {
	[ ! -L "$1" ] || fail 77 unsafe-path "$1 is a symlink"
	[ -d "$1" ] || mkdir -p "$1" || fail 73 cannot-create "cannot create $1"
	[ -z "${2-}" ] || chmod "$2" "$1"
}

# remove_tree DIR: rm -rf that also gets rid of directories without write permission; returns 1 if something is left.
remove_tree() {
	[ -e "$1" ] || [ -L "$1" ] || return 0
	rm -rf "$1" 2>/dev/null || :
	[ -e "$1" ] || return 0
	find "$1" -type d -exec chmod u+rwx {} \; 2>/dev/null </dev/null || :
	rm -rf "$1"
	[ ! -e "$1" ]
}

# file_size FILE: sets SIZE; 0 when absent.
file_size() {
	SIZE=0
	[ ! -f "$1" ] || SIZE=$(stat -c %s "$1")
}

# digest_is FILE DIGEST: its bytes have that digest.
digest_is() {
	_sum=$(sha256sum <"$1") || return 74
	[ "sha256:${_sum%% *}" = "$2" ]
}

# real_path PATH: sets REAL to where it is when links are followed; status 1 when it is not there. A directory needs no process. The working
# directory of this script means nothing and ends as /.
real_path() {
	if [ -d "$1" ] && CDPATH='' cd -P "$1" 2>/dev/null; then
		REAL=$PWD
		cd /
	else
		REAL=$(readlink -f "$1") && [ -e "$REAL" ]
	fi
}

# read_number FILE: sets NUMBER from its first line; status 1 when there is no number.
read_number() {
	NUMBER=
	[ -f "$1" ] || return 1
	read -r NUMBER <"$1" || :
	is_number "$NUMBER"
}
