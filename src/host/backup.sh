# Backup: the contract's backup paths, copied before the switch and put back by undo and by every way back of a trial (R17). A path that was missing is recorded as missing,
# and undo removes what appeared there.

copy_exact() { # FROM TO: cp -a, then compare names, kinds, modes and link targets (some cp exit 0 with a wrong tree); 1 when it is not exact
	cp -a "$1" "$2" || return 1
	[ "$(copy_facts "$1")" = "$(copy_facts "$2")" ]
}

copy_facts() { # PATH: print what a copy must have, independent of where it lies
	if [ -d "$1" ] && [ ! -L "$1" ]; then
		(cd "$1" && find . -exec stat -c '%A %u %g %N' {} +) </dev/null | sort
	else
		stat -c '%A %u %g %F' "$1" && { [ ! -L "$1" ] || readlink "$1"; }
	fi
}

task_backup_do() { # copy every backup path to backups/RUN/N; done before, done now
	load_contract "$T_COMPONENT" "$T_VERSION"
	backup_dir_=$T_DIR/backups/$T_RUN
	if [ -d "$backup_dir_" ]; then
		echo "already"
		return 0
	fi
	backup_new_=$T_DIR/backups/.$T_RUN
	remove_tree "$backup_new_" || fail 74 cannot-write "cannot remove $backup_new_"
	make_dir "$T_DIR/backups"
	mkdir "$backup_new_" || fail 73 cannot-create "cannot create $backup_new_"
	kv_list "$CONTRACT" backup | while read -r backup_path_; do printf '%s%s\n' "$PREFIX" "$backup_path_"; done >"$backup_new_/list"
	backup_n_=0
	backup_missing_=0
	while read -r backup_item_; do
		check_backup_path "$ROOT" "$backup_item_"
		kv_line path "$backup_item_" >"$backup_new_/$backup_n_.path"
		if [ -e "$backup_item_" ] || [ -L "$backup_item_" ]; then
			copy_exact "$backup_item_" "$backup_new_/$backup_n_" || {
				remove_tree "$backup_new_" || :
				fail 74 backup-failed "cannot copy $backup_item_ exactly"
			}
		else
			: >"$backup_new_/$backup_n_.missing"
			backup_missing_=$((backup_missing_ + 1))
		fi
		backup_n_=$((backup_n_ + 1))
	done <"$backup_new_/list"
	rm -f "$backup_new_/list"
	sync_tree "$backup_new_"
	mv -T "$backup_new_" "$backup_dir_" && sync_dir "$T_DIR/backups"
	echo "paths=$backup_n_ missing=$backup_missing_"
}

task_backup_undo() { # put back what that run's backup holds; without one there is nothing to do
	load_contract "$T_COMPONENT" "$T_VERSION"
	backup_dir_=$T_DIR/backups/$(trial_run_option)
	if [ ! -d "$backup_dir_" ]; then
		echo "nothing-to-undo"
		return 0
	fi
	backup_put_back "$backup_dir_" || {
		[ "$WHY" != backup-not-allowed ] || fail 77 "$WHY" "$EVIDENCE"
		fail 74 "$WHY" "$EVIDENCE"
	}
	echo "restored=$BACKUP_PATHS"
}

backup_put_back() { # DIR: every path becomes what its copy in DIR is; counts them in BACKUP_PATHS; 1 with WHY and EVIDENCE
	BACKUP_PATHS=0
	while [ -f "$1/$BACKUP_PATHS.path" ]; do
		WHY=backup-not-allowed
		backup_item_=$(kv_get "$1/$BACKUP_PATHS.path" path)
		EVIDENCE=$( (
			T_FAIL_FILE='' REQUEST_ID=''
			check_backup_path "$ROOT" "$backup_item_"
		) 2>&1) || return 1
		WHY=restore-failed
		EVIDENCE="cannot put $backup_item_ back; its copy is kept in $1"
		backup_restore "$1/$BACKUP_PATHS" "$backup_item_" || return 1
		BACKUP_PATHS=$((BACKUP_PATHS + 1))
	done
}

backup_restore() { # COPY PATH: PATH becomes what COPY is (or goes, when it was missing); the copy is complete beside it before the old goes
	backup_side_=${2%/*}/.cutover-restore.${2##*/}
	backup_gone_=${2%/*}/.cutover-replaced.${2##*/}
	remove_tree "$backup_side_" && remove_tree "$backup_gone_" || return 1
	if [ -f "$1.missing" ]; then
		[ -e "$2" ] || [ -L "$2" ] || return 0
		mv -T "$2" "$backup_gone_" && remove_tree "$backup_gone_" && sync_dir "${2%/*}"
		return
	fi
	[ -d "${2%/*}" ] || mkdir -p "${2%/*}" || return 1
	copy_exact "$1" "$backup_side_" && sync_tree "$backup_side_" || return 1
	if [ -d "$2" ] && [ ! -L "$2" ] || [ -d "$backup_side_" ] && [ ! -L "$backup_side_" ]; then
		[ ! -e "$2" ] && [ ! -L "$2" ] || mv -T "$2" "$backup_gone_" || return 1
	fi
	mv -T "$backup_side_" "$2" && sync_dir "${2%/*}" && remove_tree "$backup_gone_"
}
