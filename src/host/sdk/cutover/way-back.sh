# ---- the way back ----------------------------------------------------------------------------------------------------------------

_c_put_back() { # ENTRY: its path becomes what was kept, complete beside it before the other goes
	IFS= read -r _c_at <"$1/path"
	for _c_word in new back was; do
		_c_beside "$_c_word"
		rm -rf "$_c_side" || return 1
	done
	_c_gone=$_c_side
	if [ -f "$1/absent" ]; then
		rm -rf "$_c_at" || return 1
	else
		_c_beside back
		_c_copy "$1/original" "$_c_side"
		_c_sync_tree "$_c_side"
		# Only what is no directory can be replaced in one step.
		if [ -d "$_c_at" ] && [ ! -L "$_c_at" ] || [ -e "$_c_at" ] && [ -d "$_c_side" ] && [ ! -L "$_c_side" ]; then
			mv -T "$_c_at" "$_c_gone" || return 1
		fi
		mv -fT "$_c_side" "$_c_at" && rm -rf "$_c_gone" || return 1
	fi
	[ ! -d "${_c_at%/*}" ] || _c_sync "${_c_at%/*}"
}
cutover_undo_edits() { # the last first. What is back is forgotten, so that this can be killed and run again
	_c_edits=
	for _c_entry in "${CUTOVER_STATE-}"/edits/[0-9]*; do
		[ ! -d "$_c_entry" ] || _c_edits="${_c_entry##*/} $_c_edits"
	done
	for _c_edit in $_c_edits; do
		_c_entry=$CUTOVER_STATE/edits/$_c_edit
		IFS= read -r _c_at <"$_c_entry/path"
		_c_shown=${_c_at#"${CUTOVER_PREFIX-}"}
		if cutover_dry_run; then
			cutover_say "would put back $_c_shown"
			continue
		fi
		_c_put_back "$_c_entry" || cutover_fail "cannot put back $_c_shown; what it was is kept in $_c_entry"
		rm -rf "$CUTOVER_STATE/edits/.gone" && mv -T "$_c_entry" "$CUTOVER_STATE/edits/.gone" && _c_sync "$CUTOVER_STATE/edits" &&
			rm -rf "$CUTOVER_STATE/edits/.gone" || cutover_fail "cannot write $CUTOVER_STATE"
		cutover_say "put back $_c_shown"
	done
}
cutover_undo() { # units that this task touched stand still meanwhile, and are then what they were
	for _c_unit_file in "${CUTOVER_STATE-}"/units/*; do
		[ ! -f "$_c_unit_file" ] || _c_unit stop "${_c_unit_file##*/}"
	done
	cutover_undo_edits
	for _c_unit_file in "${CUTOVER_STATE-}"/units/*; do
		[ -f "$_c_unit_file" ] || continue
		read -r _c_was <"$_c_unit_file"
		[ "$_c_was" != active ] || _c_unit start "${_c_unit_file##*/}"
	done
	cutover_dry_run || rm -rf "${CUTOVER_STATE:?}/units" "$CUTOVER_STATE/work"
}
