# build.sh: store `directory`. A payload becomes ROOT/versions/VERSION, a bundle STATE/bundles/HEX: made in a fresh directory (unpack.sh; of a
# patch, patch.sh), compared with the signed manifest entry by entry (verify-tree.sh), made durable, then renamed into place (P1, P3). Whatever
# fails leaves nothing behind.

# task build do: done at once when the version is built and verified with the same digest; else from the payloads of this run's offer.
task_build_do() {
	_offer=$(offer_dir "$T_COMPONENT" "$T_VERSION")
	if [ ! -f "$_offer/release" ]; then
		find_tree "$T_COMPONENT" "$T_VERSION" || fail 66 not-offered "$T_COMPONENT $T_VERSION was not offered to this host"
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
	{ kv_raw "$WORK/offer/envelope" release && digest_is "$WORK/offer/release" "$RAW"; } || fail 75 busy "the offer was replaced meanwhile"
	build_bundle
	build_tree
}

# make_root ROOT: ROOT and ROOT/versions exist, open to services for reading, private for writing (T11).
make_root() {
	_near=$1
	until [ -z "$_near" ] || [ -e "$_near" ]; do _near=${_near%/*}; done
	real_path "${_near:-/}" || fail 78 unsafe-permissions "cannot inspect $_near"
	check_private "$REAL"
	if [ ! -d "$1/versions" ]; then
		(umask 022 && mkdir -p "$1/versions") || fail 73 cannot-create "cannot create $1/versions"
		sync_path "$1/versions" "$1" "${1%/*}"
	fi
	real_path "$1" || fail 78 unsafe-permissions "cannot inspect $1"
	check_private "$REAL/versions"
}

build_tree() {
	kv_raw "$WORK/offer/release" tree && _tree=$RAW
	_final=$ROOT/versions/$T_VERSION
	if [ -e "$_final" ] || [ -L "$_final" ]; then
		if find_tree "$T_COMPONENT" "$T_VERSION"; then
			[ "$FOUND_TREE" = "$_tree" ] || fail 65 tree-differs "$T_VERSION is built here with $FOUND_TREE"
			# The version of cutover-host that came with the enrolment has no manifest yet, and a patch brings none.
			[ -f "$T_DIR/releases/$T_VERSION/manifest" ] || [ -f "$WORK/offer/manifest" ] || fail 66 base-missing "no manifest of $T_VERSION is kept here"
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
	kv_raw "$WORK/offer/envelope" tree.codec
	if [ "$RAW" = patch ]; then
		apply_patch
	else
		unpack tree "$WORK/offer/manifest" "$WORK/offer/envelope" "$WORK"
	fi
	chmod 755 "$WORK/tree"
	keep_release
	settle "$WORK/tree" "$_final" "$_tree"
	ms_since "$_start"
	remove_payload tree
	printf 'built %s in %s ms\n' "$_tree" "$MS"
}

# build_bundle: components may share one, and be built at the same time: one after the other makes it, the second finds it made.
build_bundle() {
	kv_raw "$WORK/offer/release" bundle || return 0
	_tree=$RAW
	_final=$STATE/bundles/${_tree#sha256:}
	if [ ! -f "$_final/.cutover-verified" ]; then
		(
			lock_wait 4 600 || fail 75 busy "another bundle is built"
			[ -f "$_final/.cutover-verified" ] || make_bundle
		) 4>>"$STATE/bundles/.lock"
	fi
	remove_payload bundle
}

make_bundle() {
	remove_tree "$_final"
	make_dir "$BUNDLE_WORK"
	unpack bundle "$WORK/offer/bundle-manifest" "$WORK/offer/envelope" "$BUNDLE_WORK"
	chmod 755 "$BUNDLE_WORK/tree"
	settle "$BUNDLE_WORK/tree" "$_final" "$_tree"
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
	for _name in "$_keep" "$T_DIR/releases/.$T_VERSION.new"; do remove_tree "$_name"; done
	mkdir "$T_DIR/releases/.$T_VERSION.new" || fail 73 cannot-create "cannot create a directory in $T_DIR/releases"
	set --
	for _name in release release.sig manifest bundle-manifest; do
		[ ! -f "$WORK/offer/$_name" ] || set -- "$@" "$WORK/offer/$_name"
	done
	cp "$@" "$T_DIR/releases/.$T_VERSION.new/" || fail 74 write-failed "cannot keep the release"
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

# remove_payload tree|bundle: it is built now. The bytes go unless another version that is offered waits to be built from the same ones; whoever
# is built last takes them away. Under the lock of offers: who offers after this finds the bytes gone, and sends them.
remove_payload() {
	kv_raw "$WORK/offer/envelope" "$1.payload"
	[ -f "$STATE/incoming/${RAW#sha256:}" ] || return 0
	with_host_lock drop_payload "$RAW" || : # what is left goes with the next commit's tidying up
}

drop_payload() { # DIGEST
	for _path in "$STATE"/offers/*/*/envelope; do
		grep -qx -e "tree.payload $1" -e "bundle.payload $1" "$_path" 2>/dev/null || continue
		_path=${_path%/envelope}
		_other=${_path%/*}
		_other=${_other##*/}
		# Ours is being built, whatever is there of it yet.
		[ "$_other" != "$T_COMPONENT" ] && is_component "$_other" && is_version "${_path##*/}" || continue
		if ! find_tree "$_other" "${_path##*/}"; then return 0; fi
	done
	rm -f "$STATE/incoming/${1#sha256:}"
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

# trial_versions COMPONENT: the versions a trial may still go to, one a line. One that went back is over: nobody needs what it tried. One that
# is confirmed only goes back: what it tried is needed as long as it is current, which a hand may have changed.
trial_versions() {
	find_trial_state "$1"
	_state=$TRIAL_STATE
	[ "$_state" != reverted ] || return 0
	{ command -v trial_facts >/dev/null && trial_facts "$1"; } 2>/dev/null | while read -r _key _value; do
		case $_state:$_key in
		confirmed:trial-to) ;;
		*:trial-from | *:trial-to) printf '%s\n' "$_value" ;;
		esac
	done
}
