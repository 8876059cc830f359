# Which copy of a run's a task of a backup, a switch or a way back means, and what it is still good for: `backups/RUN/own`, what was saved right before its switch, else
# `backups/RUN`, its restore point or all that it saved (backup.sh).

backup_on_trial() { # RUN: 0 with BACKUP_TRIAL, its state, while that run's trial may still go back to what was saved before it
	BACKUP_TRIAL=$(trial_state "$T_COMPONENT")
	case $BACKUP_TRIAL in none | reverted) return 1 ;; esac
	[ "$(trial_get "$T_COMPONENT" run || :)" = "$1" ]
}

backup_is_kept() { # 0 while only backup_dir_ has the data without what its run has done to it, or is half way of being put back. Otherwise what the old version wrote since it was saved has to be saved before the next trial
	[ -d "$backup_dir_" ] || return 1
	if backup_on_trial "$T_RUN" || committed_by "$T_RUN"; then return 0; fi
	for backup_copy_ in "$backup_dir_" "${backup_dir_%/own}"; do
		[ ! -f "$backup_copy_/undoing" ] || [ -f "$backup_copy_/restored" ] || return 0
	done
	[ ! -f "$backup_dir_/restored" ] || return 1
	for backup_begun_ in "$backup_dir_/begun"/*; do
		[ ! -e "$backup_begun_" ] || return 0
	done
	return 1
}

backup_is_spent() { # 0 with SPENT, how, when another trial must not go back to what this run saved: it was put back, so that would go over all that the old version has written meanwhile, or it is another version's
	backup_find_own "$T_RUN"
	backup_adopt "$T_RUN"
	SPENT="was put back"
	if [ -f "$backup_dir_/restored" ] && ! backup_on_trial "$T_RUN"; then return 0; fi
	backup_is_others || return 1
	SPENT=$OTHERS
}

backup_is_others() { # 0 with OTHERS, whose, when backup_dir_ was saved while another version was current than now: an earlier trial's way back, or a hand, came between
	others_=$(kv_get "$backup_dir_/part" version) || return 1 # of a host.sh that did not say
	read_current "$ROOT" || :
	others_=${others_#-} # none
	OTHERS="is of ${others_:-no version}, and ${CURRENT:-none} is current"
	[ "$others_" != "$CURRENT" ]
}

backup_is_untouched() { # 0 when the run's own way back asks, of which only the host knows that there is nothing to put back: no trial and no task has changed the data since backup_dir_ was saved
	case ${T_STEP-}:$backup_point_ in rollback.*:) ;; *) return 1 ;; esac
	# A host.sh that says the version also says what begins, and leaves the directory when that is undone.
	[ ! -d "$backup_dir_/begun" ] && [ ! -f "$backup_dir_/undoing" ] && [ -z "$(kv_get "$backup_dir_/part" point || :)" ] && kv_raw "$backup_dir_/part" version
}

backup_went_along() { # RUN: 0 when a hand had pointed current at the version that it is of, and that run's trial of it went back to what is current now: with the data of that version, as what it saved right before shows
	[ "$(trial_state "$T_COMPONENT")" = reverted ] && [ "$(trial_get "$T_COMPONENT" run || :)" = "$1" ] || return 1
	[ "$(trial_get "$T_COMPONENT" to || :)" = "$others_" ] && [ "$(trial_get "$T_COMPONENT" from || :)" = "$CURRENT" ]
}

backup_still() { # print what has to be the same before and after data is copied, or it is of no one version
	find_trial_state "$T_COMPONENT"
	echo "$(current_version "$ROOT" || :) $TRIAL_STATE $(trial_get "$T_COMPONENT" id || :)"
}

backup_find() { # RUN: set backup_dir_, to a restore point where the run has one
	backup_dir_=$T_DIR/backups/$1
	backup_settle
}

backup_find_own() { # RUN: set backup_dir_ to what was saved right before its switch; where nothing was, to its restore point
	backup_find "$1"
	backup_dir_=$backup_dir_/own
	backup_settle
	[ -d "$backup_dir_" ] || backup_dir_=${backup_dir_%/own}
}

backup_settle() { # what was moved aside for a successor that a kill kept from coming is backup_dir_ again
	backup_gone_=${backup_dir_%/*}/.gone.${backup_dir_##*/}
	[ ! -d "$backup_dir_" ] && [ -d "$backup_gone_" ] || return 0
	mv -T "$backup_gone_" "$backup_dir_" && sync_dir "${backup_dir_%/*}" || fail 74 cannot-write "cannot replace $backup_dir_"
}

backup_begins() { # NAME: a task of the bundle begins to change what was saved: its copy is kept till the task is undone. 1 with WHY and EVIDENCE when that cannot be written
	begins_run_=$(task_option trial-run "$T_RUN")
	WHY=cannot-write EVIDENCE="cannot say below $T_DIR/backups/$begins_run_ that $1 begins"
	(
		backup_find_own "$begins_run_"
		# What begins before the first backup of a switch is a part of what that saves.
		[ -d "$backup_dir_" ] && [ -z "$(kv_get "$backup_dir_/part" point || :)" ] || exit 0
		make_dir "$backup_dir_/begun"
		write_file "$backup_dir_/begun/$1" "in $T_RUN"
		sync_dir "$backup_dir_"
	) 2>/dev/null
}

backup_unbegun() { # NAME: the undo of that task was done
	begins_run_=$(task_option trial-run "$T_RUN")
	rm -f "$T_DIR/backups/$begins_run_/begun/$1" "$T_DIR/backups/$begins_run_/own/begun/$1"
}

backup_forget() { # DIR: all in it is back. What tasks that began since it was saved had kept of those paths (task SDK) is of a moment that is over: neither their undo, maybe hours later, nor their do when it runs again goes by it. 1 when that cannot be written
	forget_run_=$(kv_get "$1/part" run) || return 0
	for forget_begun_ in "$1/begun"/* "$1/own/begun"/*; do
		[ -f "$forget_begun_" ] || continue
		forget_edits_=${1%/backups/*}/tasks/$forget_run_/${forget_begun_##*/}/edits
		for forget_edit_ in "$forget_edits_"/[0-9]*; do
			{ IFS= read -r forget_at_ <"$forget_edit_/path"; } 2>/dev/null && backup_holds "$1" "$forget_at_" || continue
			remove_tree "$forget_edits_/.gone" && mv -T "$forget_edit_" "$forget_edits_/.gone" && sync_dir "$forget_edits_" && remove_tree "$forget_edits_/.gone" || return 1
		done
	done
}

backup_holds() { # DIR PATH: 0 when PATH, links in its directory followed, is one of those that DIR has a copy of, or below one
	holds_n_=0
	while [ -f "$1/$holds_n_.path" ]; do
		holds_item_=$(kv_get "$1/$holds_n_.path" path)
		if real_path "${holds_item_%/*}/"; then holds_item_=${REAL%/}/${holds_item_##*/}; fi
		case $2 in "$holds_item_" | "$holds_item_"/*) return 0 ;; esac
		holds_n_=$((holds_n_ + 1))
	done
	return 1
}

backup_adopt() { # RUN: a host.sh of before, which went the way back of that run's trial, marked the trial alone. What was saved after that trial is not meant
	adopt_dir_=$(trial_dir "$T_COMPONENT")/reverted
	[ -d "$backup_dir_" ] && [ ! -f "$backup_dir_/restored" ] && [ -f "$adopt_dir_/restored" ] || return 0
	[ "$(kv_get "$adopt_dir_/trial" run || :)" = "$1" ] || return 0
	adopt_id_=$(kv_get "$adopt_dir_/trial" id) || return 0
	[ "$(kv_get "$backup_dir_/part" after-trial || :)" = "$adopt_id_" ] || backup_mark trial "$adopt_id_" || fail 74 "$WHY" "$EVIDENCE"
}
