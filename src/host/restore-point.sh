# Restore points: backups of several components, taken at one moment on their hosts, so that they can be put back together (R17). A controller compares them: each says which
# version it was taken of, the SHA-256 over all that it holds, and when, in hundredths of a second since boot, which no step of the wall clock moves (F19).

POINT_MOST_WAIT=6000

verb_clock() { # clock: `ok UPTIME-CS BOOT-ID`, as they are now: what a controller needs to compare moments of several hosts. Needs no fence
	uptime_cs
	boot_id
	ok "$UPTIME_CS" "$BOOT_ID"
}

point_wait() { # until the moment of option `at`, at most a minute away; when it is over already, not at all
	point_at_=$(task_option at 0)
	is_number "$point_at_" || fail 64 bad-request "at is not a time since boot"
	uptime_cs
	point_left_=$((point_at_ - UPTIME_CS))
	[ "$point_left_" -le "$POINT_MOST_WAIT" ] || fail 64 bad-request "at is more than $((POINT_MOST_WAIT / 100)) s away"
	[ "$point_left_" -le 0 ] || nap "$((point_left_ / 100)).$((point_left_ % 100 / 10))$((point_left_ % 10))"
}

point_describe() { # `part` of backup_new_ in TEXT, sorted
	read_current "$ROOT" || :
	point_tree_=
	if [ -n "$CURRENT" ] && find_tree "$T_COMPONENT" "$CURRENT"; then point_tree_=$FOUND_TREE; fi
	# Not every date knows milliseconds. For people: nothing is compared by it.
	point_wall_=$(date +%s%3N)
	is_number "$point_wall_" || point_wall_=$(date +%s)000
	point_state "$backup_new_" || fail 74 backup-failed "cannot read the copies in $backup_new_"
	boot_id
	kv_add boot-id "$BOOT_ID"
	kv_add contract "$T_VERSION"
	kv_add from "$backup_from_"
	kv_add point "$backup_point_"
	kv_add run "$T_RUN"
	kv_add state "$POINT_STATE"
	kv_add task "$backup_task_"
	kv_add to "$BACKUP_TO"
	kv_add tree "${point_tree_:--}"
	kv_add version "${CURRENT:--}"
	kv_add wall "$point_wall_"
}

point_report() { # FILE: print a part as the last line of the evidence, for protocol.ts
	set -- "$1" ''
	for point_key_ in point version tree state from to wall boot-id; do
		kv_raw "$1" "$point_key_" || fail 65 bad-part "no $point_key_ in $1"
		set -- "$1" "$2 $point_key_=$RAW"
	done
	echo "part$2"
}

point_state() { # DIR: set POINT_STATE to the SHA-256 over all that DIR would put back: paths, kinds, modes, owners, links, bytes. 1 when it cannot be read
	point_sum_=$( (
		cd "$1" || exit 1
		point_n_=0
		{
			while [ -f "$point_n_.path" ]; do
				cat "$point_n_.path"
				if [ -f "$point_n_.missing" ]; then echo missing; else point_contents "$1/$point_n_"; fi
				point_n_=$((point_n_ + 1))
			done
			[ ! -d task ] || point_contents "$1/task"
			echo end
		} | sha256sum
	) 2>/dev/null) || return 1
	point_sum_=${point_sum_%% *}
	is_hex64 "$point_sum_" || return 1
	POINT_STATE=sha256:$point_sum_
}

point_contents() { # PATH: print facts and sums of all below it; what cannot be read is said, so that it is another state
	copy_facts "$1" || echo unreadable
	if [ -d "$1" ] && [ ! -L "$1" ]; then
		(cd "$1" && find . -type f -exec sha256sum {} +) </dev/null | sort || echo unreadable
	elif [ ! -L "$1" ]; then
		sha256sum <"$1" || echo unreadable
	fi
}

point_want() { # RUN POINT: the way back of its switch is that of the whole run and puts the point back at once; where this cannot be noted, the undo of the point does it after that
	[ "$(kv_get "$T_DIR/backups/$1/part" point || :)" != "$2" ] || (write_file "$T_DIR/backups/$1/wanted" "by $T_RUN") 2>/dev/null || :
}

point_or_own() { # ID: backup_dir_ becomes what the way back of that trial puts back: what was saved right before the switch; the point where nothing was, or where it is wanted. 1 with WHY and EVIDENCE
	[ -d "$backup_dir_/own" ] || return 0
	trial_point_=$backup_dir_
	backup_dir_=$backup_dir_/own
	[ -f "$trial_point_/wanted" ] && [ ! -f "$trial_point_/restored" ] || return 0
	# Behind the point it is put back no more.
	backup_mark trial "$1" || return 1
	backup_dir_=$trial_point_
}

point_put_back() { # what backup_dir_ holds. A service that runs is stopped or started anew for it, and noted first: who goes on after a kill finds it stopped
	# What was saved after the point lies behind it: it is put back no more.
	[ ! -d "$backup_dir_/own" ] || [ -f "$backup_dir_/own/restored" ] || (write_file "$backup_dir_/own/restored" "by $T_RUN") 2>/dev/null ||
		fail 74 cannot-write "cannot write $backup_dir_/own/restored"
	point_contract
	manager_find_active || fail 71 "$WHY" "$EVIDENCE"
	if [ "$ACTIVE" = yes ] && ! point_was_active; then
		(write_file "$backup_dir_/active" "by $T_RUN") 2>/dev/null || fail 74 cannot-write "cannot write $backup_dir_/active"
	fi
	! point_was_active || ! strategy_stops || manager_stop || fail 71 "$WHY" "$EVIDENCE"
	point_why_=
	backup_put_back "$backup_dir_" || point_why_=$WHY point_evidence_=$EVIDENCE
	[ -n "$point_why_" ] || backup_mark by "$T_RUN" || point_why_=$WHY point_evidence_=$EVIDENCE
	point_serve
	if [ -n "$point_why_" ]; then
		WHY=$point_why_ EVIDENCE=$point_evidence_
		backup_not_back
	fi
	echo "restored=$BACKUP_PATHS"
}

point_contract() { # load that of what runs, whichever version that is
	! read_current "$ROOT" || load_contract "$T_COMPONENT" "$CURRENT"
}

point_was_active() { # 0 while a service that ran before backup_dir_ was put back is not known to run on it
	[ -f "$backup_dir_/active" ]
}

point_serve() { # that service runs again, started after its data was put back; ends the task when it does not
	point_was_active || return 0
	point_contract
	# shellcheck disable=SC2034 # wait_ready looks whether it is still there
	TRIAL=$T_DIR
	if ! strategy_stops; then
		manager_restart || fail 71 "$WHY" "$EVIDENCE"
	else
		manager_find_active || fail 71 "$WHY" "$EVIDENCE"
		# Stopped first: one that a kill left half way to ready would be in the way of another.
		[ "$ACTIVE" = yes ] || { manager_stop && manager_start; } || fail 71 "$WHY" "$EVIDENCE"
	fi
	wait_ready || fail 71 "$WHY" "$EVIDENCE"
	rm -f "$backup_dir_/active"
}
