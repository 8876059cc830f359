# Backup: the contract's backup paths, and what its backup task copies, saved before the switch and put back by undo and by every way back of a trial (R17). A path that was
# missing is recorded as missing, and undo removes what appeared there. backups/RUN holds N, N.path and N.missing of each path, `task/` of the task, `part`: what this is,
# `active` while a service that ran before it was put back has to be started on it, `undoing` once an undo began to put it back, and once all of it was put back `restored`: it is
# put back once, since what is written later is nobody's to take away. `begun/` names the tasks of the bundle that the run began since, and whose undo was not done.
# A backup is asked for again when its run tries again, maybe hours later: it is saved anew, unless what it holds is nowhere else any more (backup_is_kept).
# Restore points are backups of several components at one moment, told apart by the option `point` (restore-point.sh). They are for the way back of the whole run: what is saved
# right before a switch then lies in backups/RUN/own, and that is what this switch alone goes back to.

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

task_backup_do() { # save; `already` while what was saved is still what the run goes back to. A restore point of the run is taken once, another one takes its place as long as nothing has switched
	load_contract "$T_COMPONENT" "$T_VERSION"
	backup_point_=$(task_option point '')
	if [ -n "$backup_point_" ]; then
		backup_find "$T_RUN"
		if [ "$(kv_get "$backup_dir_/part" point || :)" = "$backup_point_" ]; then
			echo "already"
			point_report "$backup_dir_/part"
			return 0
		fi
	else
		backup_find_own "$T_RUN"
		backup_adopt "$T_RUN"
		if backup_is_kept; then
			echo "already"
			return 0
		fi
		[ -z "$(kv_get "$backup_dir_/part" point || :)" ] || backup_dir_=$backup_dir_/own
	fi
	[ -z "$backup_point_" ] || [ "$(trial_get "$T_COMPONENT" run || :)" != "$T_RUN" ] ||
		fail 75 trial-open "run $T_RUN has switched $T_COMPONENT already: what it saved before is kept"
	backup_still_=$(backup_still)
	case $(trial_state "$T_COMPONENT") in armed | reverting) fail 75 trial-open "$T_COMPONENT is on trial for run $(trial_get "$T_COMPONENT" run), or on its way back: what is there may go" ;; esac
	backup_task_=$(kv_get "$CONTRACT" backup.task) || backup_task_=
	[ -z "$backup_task_" ] || hook_trusted
	make_dir "${backup_dir_%/*}"
	backup_new_=${backup_dir_%/*}/.${backup_dir_##*/}
	remove_tree "$backup_new_" || fail 74 cannot-write "cannot remove $backup_new_"
	mkdir "$backup_new_" || fail 73 cannot-create "cannot create $backup_new_"
	kv_list "$CONTRACT" backup | while read -r backup_path_; do printf '%s%s\n' "$PREFIX" "$backup_path_"; done >"$backup_new_/list"
	backup_n_=0
	backup_missing_=0
	[ -z "$backup_point_" ] || point_wait
	uptime_cs
	backup_from_=$UPTIME_CS
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
	backup_run_task
	backup_describe
	[ "$(backup_still)" = "$backup_still_" ] || {
		remove_tree "$backup_new_" || :
		fail 75 component-busy "what is current, or its trial, changed while it was saved"
	}
	sync_tree "$backup_new_"
	backup_keep
	echo "paths=$backup_n_ missing=$backup_missing_${backup_task_:+ task=$backup_task_}"
	[ -z "$backup_point_" ] || point_report "$backup_dir_/part"
}

backup_run_task() { # the contract's backup task fills `task/`; sets BACKUP_TO, when all was copied: the task may say that it froze what it copies at an earlier moment
	if [ -n "$backup_task_" ]; then
		mkdir "$backup_new_/task" || fail 73 cannot-create "cannot create $backup_new_/task"
		# What it remembers of an earlier backup of this run would keep it from making this one.
		remove_tree "$T_DIR/tasks/$T_RUN/$backup_task_" || fail 74 cannot-write "cannot remove $T_DIR/tasks/$T_RUN/$backup_task_"
		HOOK_BACKUP=$backup_new_/task HOOK_MOMENT=$backup_new_/moment
		hook_run "$backup_task_" "do" "$(contract_number "task.$backup_task_.seconds" 300)" "$backup_new_/said" || {
			remove_tree "$backup_new_" || :
			fail 71 backup-failed "$backup_task_: $WHY: $EVIDENCE"
		}
		HOOK_BACKUP='' HOOK_MOMENT=''
		rm -f "$backup_new_/said"
	fi
	uptime_cs
	BACKUP_TO=$UPTIME_CS
	[ -f "$backup_new_/moment" ] || return 0
	backup_moment_=
	read -r backup_moment_ _ <"$backup_new_/moment" || :
	backup_moment_=${backup_moment_%.[0-9][0-9]}${backup_moment_##*.}
	rm -f "$backup_new_/moment"
	is_number "$backup_moment_" && [ "$backup_moment_" -ge "$backup_from_" ] && [ "$backup_moment_" -le "$BACKUP_TO" ] || {
		remove_tree "$backup_new_" || :
		fail 65 bad-moment "$backup_task_ wrote a moment that is not one of /proc/uptime while it ran"
	}
	BACKUP_TO=$backup_moment_
}

backup_describe() { # write `part`: which contract puts it back, and of a restore point what a controller compares
	TEXT=
	if [ -n "$backup_point_" ]; then
		point_describe
	else
		[ "$(trial_get "$T_COMPONENT" run || :)" != "$T_RUN" ] || kv_add after-trial "$(trial_get "$T_COMPONENT" id || :)"
		kv_add contract "$T_VERSION"
		kv_add run "$T_RUN"
		kv_add task "$backup_task_"
		read_current "$ROOT" || :
		kv_add version "${CURRENT:--}"
	fi
	(write_file "$backup_new_/part" "$TEXT") || fail 74 cannot-write "cannot write $backup_new_/part"
}

backup_keep() { # the complete copy becomes backup_dir_, in place of an earlier one
	backup_gone_=${backup_dir_%/*}/.gone.${backup_dir_##*/}
	remove_tree "$backup_gone_" || fail 74 cannot-write "cannot remove $backup_gone_"
	[ ! -d "$backup_dir_" ] || mv -T "$backup_dir_" "$backup_gone_" || fail 74 cannot-write "cannot replace $backup_dir_"
	mv -T "$backup_new_" "$backup_dir_" && sync_dir "${backup_dir_%/*}" || fail 74 cannot-write "cannot keep $backup_dir_"
	remove_tree "$backup_gone_" || :
}

task_backup_undo() { # put back what that run saved right before its switch, or its restore point, once; without one there is nothing to do. One that was killed begins again, until `restored` says that all of it is back
	load_contract "$T_COMPONENT" "$T_VERSION"
	backup_run_=$(trial_run_option)
	backup_point_=$(task_option point '')
	backup_find_own "$backup_run_"
	[ -z "$backup_point_" ] || backup_dir_=${backup_dir_%/own}
	if [ ! -d "$backup_dir_" ]; then
		echo "nothing-to-undo"
		return 0
	fi
	[ -z "$backup_point_" ] || [ "$(kv_get "$backup_dir_/part" point || :)" = "$backup_point_" ] ||
		fail 65 point-differs "the backup is of $(kv_get "$backup_dir_/part" point || echo no point), not of $backup_point_"
	component_lock "$T_COMPONENT" 30 || fail 75 component-busy "somebody else works on $T_COMPONENT"
	! backup_on_trial "$backup_run_" || fail 75 trial-open "the trial of run $backup_run_ is $BACKUP_TRIAL: take the switch back first"
	not_committed "$backup_run_"
	[ -d "$backup_dir_/own" ] || backup_adopt "$backup_run_"
	if [ -f "$backup_dir_/restored" ]; then
		point_serve
		if kv_raw "$backup_dir_/restored" trial; then echo "restored by the way back"; else echo "restored already"; fi
		return 0
	fi
	if backup_is_untouched; then
		echo "nothing-to-undo: no task has begun since it was saved, and what was written since stays"
		return 0
	fi
	! backup_is_others || backup_went_along "$backup_run_" || fail 66 not-current "what run $backup_run_ saved of $T_COMPONENT $OTHERS: it is kept in $backup_dir_, and not put back under that. Take from it what is wanted and move it away: then there is nothing to undo"
	(write_file "$backup_dir_/undoing" "by $T_RUN") || fail 74 cannot-write "cannot write $backup_dir_/undoing"
	if [ -n "$backup_point_" ]; then
		point_put_back
	else
		backup_put_back "$backup_dir_" || backup_not_back
		backup_mark by "$T_RUN" || fail 74 "$WHY" "$EVIDENCE"
		point_serve
		echo "restored=$BACKUP_PATHS"
	fi
}

backup_mark() { # by RUN | trial ID: what backup_dir_ holds is back, all of it and durably, by whom; 1 with WHY and EVIDENCE when that cannot be written
	WHY=cannot-write EVIDENCE="cannot write $backup_dir_/restored"
	(write_file "$backup_dir_/restored" "$1 $2") 2>/dev/null
}

backup_not_back() { # end the task with what kept a backup from being put back
	[ "$WHY" != backup-not-allowed ] || fail 77 "$WHY" "$EVIDENCE"
	fail 74 "$WHY" "$EVIDENCE"
}

backup_put_back() { # DIR: every path becomes what its copy in DIR is, then the task puts back its own; counts the paths in BACKUP_PATHS; 1 with WHY and EVIDENCE
	BACKUP_PATHS=0
	if backup_state_=$(kv_get "$1/part" state); then
		WHY=backup-damaged
		EVIDENCE="the copies in $1 are not what was saved"
		point_state "$1" && [ "$POINT_STATE" = "$backup_state_" ] || return 1
	fi
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
	backup_back_task_=$(kv_get "$1/part" task) || backup_back_task_=
	WHY=restore-failed
	[ -z "$backup_back_task_" ] || EVIDENCE=$(backup_undo_task "$1" "$backup_back_task_" 2>&1) || return 1
	EVIDENCE="cannot write below ${1%/backups/*}/tasks"
	backup_forget "$1"
}

backup_undo_task() { # DIR TASK: its undo, by the contract that saved; in a subshell: prints why it failed
	T_FAIL_FILE='' REQUEST_ID=''
	T_VERSION=$(kv_get "$1/part" contract)
	T_RUN=$(kv_get "$1/part" run)
	load_contract "$T_COMPONENT" "$T_VERSION"
	backup_log_=$(mktemp "$T_DIR/.hook.XXXXXX") || fail 73 cannot-create "cannot create a log in $T_DIR"
	HOOK_BACKUP=$1/task
	backup_rc_=0
	hook_run "$2" undo "$(contract_number "task.$2.seconds" 300)" "$backup_log_" || backup_rc_=1
	rm -f "$backup_log_"
	[ "$backup_rc_" -eq 0 ] || fail 71 "$WHY" "$2 undo: $EVIDENCE"
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
	copy_exact "$1" "$backup_side_" && sync_tree "$backup_side_" || {
		# What there was no room for must not keep the room that who serves needs.
		remove_tree "$backup_side_" || :
		return 1
	}
	if [ -d "$2" ] && [ ! -L "$2" ] || [ -d "$backup_side_" ] && [ ! -L "$backup_side_" ]; then
		[ ! -e "$2" ] && [ ! -L "$2" ] || mv -T "$2" "$backup_gone_" || return 1
	fi
	mv -T "$backup_side_" "$2" && sync_dir "${2%/*}" && remove_tree "$backup_gone_"
}
