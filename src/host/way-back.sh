# The way back of a trial: decided by rename, done under the component's lock, continued by whoever comes next (undo, deadline, boot
# guard, end of probation). The words that a timer or a sleeper calls are here too, the boot's
# is in guard.sh.

trial_evidence() { # COMPONENT: keep what the rollback would destroy, once; CONTRACT is that of the version that goes
	evidence_dir_=$STATE/components/$1/trial/reverting
	[ ! -s "$evidence_dir_/evidence" ] || return 0
	{
		manager_status_evidence
		if [ -s "$evidence_dir_/health" ]; then cat "$evidence_dir_/health"; fi
		echo "seen at uptime-cs $UPTIME_CS with current=$(current_version "$ROOT" || echo none)"
	} 2>&1 | tail -c 4000 | atomic_write "$evidence_dir_/evidence"
}

trial_way_back() { # COMPONENT: a trial in reverting ends in reverted; continues where a killed one stopped; 1 with WHY and EVIDENCE while it cannot
	T_COMPONENT=$1
	back_dir_=$STATE/components/$1/trial/reverting
	[ -d "$back_dir_" ] || return 0
	back_old_=none
	back_why_=
	UNITS_LIVE=
	worker_mark "$back_dir_" revert
	TRIAL=$back_dir_
	back_since_=$(end_since back)
	kv_value "$back_dir_/trial" from || :
	FROM=$VALUE
	kv_value "$back_dir_/trial" to
	TO=$VALUE
	back_names_=
	back_kept_= # `pid born` of what served before, and need not be started anew
	if [ -f "$STATE/components/$1/releases/$TO/release" ]; then
		load_contract "$1" "$TO"
		find_names
		back_names_=$MANAGER/$STRATEGY
		trial_evidence "$1"
		back_old_=$(manager_main_pid || echo none)
	elif [ ! -f "$STATE/components/$1/releases/$FROM/release" ]; then
		WHY=way-back-missing EVIDENCE="the contract of $TO is gone, and there is none of ${FROM:-a version before it} that says how to go back"
		return 1
	fi
	if [ -n "$FROM" ]; then
		if ! find_tree "$1" "$FROM"; then # F17
			WHY=way-back-missing EVIDENCE="version $FROM is not built any more"
			return 1
		fi
		# The host.sh that enrolment brought has no contract of its own; that of its successor serves as well.
		if [ "$1" != cutover-host ] || [ -f "$STATE/components/$1/releases/$FROM/release" ]; then
			load_contract "$1" "$FROM"
			find_names
			if [ -n "$back_names_" ] && [ "$back_names_" != "$MANAGER/$STRATEGY" ]; then
				load_contract "$1" "$TO"
				[ -n "${GUARD-}" ] && has_systemd || trial_keep_or_stop
				load_contract "$1" "$FROM"
			fi
			[ -n "$UNITS_LIVE" ] || units_back || back_why_=$WHY back_evidence_=$EVIDENCE
		fi
		# Whatever else fails: a boot starts the old version (P8).
		[ "$(current_version "$ROOT")" = "$FROM" ] || point_current "$ROOT" "$FROM" || return 1
		if [ -n "$UNITS_LIVE" ]; then
			WHY=$back_why_ EVIDENCE=$back_evidence_
			return 1
		fi
		# Data that cannot be put back does not keep the old version from serving; it keeps the way back from being called complete.
		trial_restore "$1" || back_why_=$WHY back_evidence_=$EVIDENCE
		# At boot systemd starts what current names after this; waiting for a unit here would wait for ourselves.
		if [ -z "${GUARD-}" ] || ! has_systemd; then
			trial_serve_again || return 1
		fi
		if [ -n "$back_why_" ]; then
			WHY=$back_why_ EVIDENCE=$back_evidence_
			return 1
		fi
	else
		[ -n "${GUARD-}" ] && has_systemd || strategy_call way_back || return 1
		trial_restore "$1" || return 1
		rm -f "$ROOT/current" && sync_dir "$ROOT" || return 1
	fi
	back_new_=none
	[ -z "$FROM" ] || back_new_=$(manager_main_pid || echo none)
	echo "old-pid=$back_old_ new-pid=$back_new_ from=$TO to=${FROM:-none}$(end_killed "$back_since_")" >"$back_dir_/switched-back" || :
	socket_settle "$TO"
	kv_value "$back_dir_/trial" id
	back_id_=$VALUE
	trial_move "$1" reverting reverted || :
	trial_unwatch "$1" "$back_id_"
}

trial_keep_or_stop() { # with the contract of TO, before that of FROM is another: what can serve again is kept, into back_kept_, the rest ends. Unknown is neither: UNITS_LIVE, and back_why_ and back_evidence_
	keep_rc_=0
	back_kept_=$(strategy_kept) || keep_rc_=$?
	case $keep_rc_ in
		0) ;;
		2)
			manager_unanswered
			UNITS_LIVE=yes back_why_=$WHY back_evidence_=$EVIDENCE
			;;
		*) manager_stop || : ;;
	esac
}

trial_serve_again() { # what current names now serves, 1 with WHY and EVIDENCE while it does not. What was on trial and is what was found is as it was found: there is nothing else to go back to
	if [ "$FROM" != "$TO" ]; then
		# What was put back meanwhile may have stopped it, or is what it held open; and what is not ready after all is no service.
		if [ -n "$back_kept_" ] && [ ! -f "$TRIAL/restored" ] && same_process ${back_kept_} && wait_ready; then return 0; fi
		strategy_call way_back && wait_ready
		return
	fi
	if [ "$(kv_get "$back_dir_/trial" found || :)" = stopped ]; then
		manager_stop
		return
	fi
	strategy_call way_back && wait_ready && return 0
	# Unknown is tried again, and what systemd refused unless it left what ran as it was.
	[ "$WHY" != systemd-silent ] && manager_find_active || return 1
	if [ "$WHY" = systemctl-failed ] && { [ "$ACTIVE" = no ] || [ -f "$TRIAL/restored" ]; }; then return 1; fi
	echo "$FROM, which ran before, does not get ready again: $WHY: $EVIDENCE" | head -c 2000 >>"$back_dir_/evidence"
}

trial_restore() { # COMPONENT: what the trial's run saved (point_or_own) is put back, once (R17): the old version must not lose what it writes later. 1 with WHY and EVIDENCE
	backup_dir_=$STATE/components/$1/backups/$(kv_get "$back_dir_/trial" run || echo none)
	restore_id_=$(kv_get "$back_dir_/trial" id)
	# What an undo had put back before this trial is put back again: the new version has come since.
	[ -d "$backup_dir_" ] && [ ! -f "$back_dir_/restored" ] || return 0
	point_or_own "$restore_id_" || return 1
	if [ "$(kv_get "$backup_dir_/restored" trial || :)" != "$restore_id_" ]; then
		# With restart nobody serves in between; the others go on serving, and the version that spoilt its data ends right after.
		if strategy_stops && { [ -z "${GUARD-}" ] || ! has_systemd; }; then manager_stop || return 1; fi
		backup_put_back "$backup_dir_" || return 1
		backup_mark trial "$restore_id_" || return 1
	fi
	# Also when that was killed in between: nobody is kept who served before it.
	echo "restored=${BACKUP_PATHS-already}" >"$back_dir_/restored" || :
}

worker_end() { # COMPONENT: take the lock from a switch that lost the decision: it notices by itself or is ended. Another way back is let finish, also one that has begun since we came
	own_pid
	uptime_cs
	worker_pid_=
	worker_born_=
	worker_by_=$((UPTIME_CS + 50))
	until flock -n 6; do
		uptime_cs
		{ read -r worker_is_ worker_is_born_ worker_is_role_ <"$STATE/components/$1/trial/reverting/worker"; } 2>/dev/null || worker_is_=
		# Empty while somebody writes who he is: still whom we saw before. Another one has all of its time.
		if [ -n "$worker_is_" ] && [ "$worker_is_ $worker_is_born_" != "$worker_pid_ $worker_born_" ]; then
			worker_pid_=$worker_is_
			worker_born_=$worker_is_born_
			worker_by_=$((UPTIME_CS + 50))
			[ "$worker_is_role_" != revert ] || worker_by_=$((UPTIME_CS + 9000))
		fi
		[ -d "$STATE/components/$1/trial/reverting" ] || worker_pid_= # it is over: only its lock is waited for
		if [ "$UPTIME_CS" -ge "$worker_by_" ]; then
			[ -z "$worker_pid_" ] || [ "$worker_pid_" = "$OWN_PID" ] || ! same_process "$worker_pid_" "$worker_born_" || kill -s KILL "$worker_pid_" 2>/dev/null || :
			[ "$UPTIME_CS" -lt "$((worker_by_ + 100))" ] || return 0 # the promise to go back is worth more than the lock (P8)
		fi
		nap
	done
}

trial_revert() { # COMPONENT REASON STATE: decide for the way back from STATE and go it. 0 when nothing is left to do, by whomever; 1 with WHY and EVIDENCE
	make_dir "$STATE/components/$1"
	exec 6>>"$STATE/components/$1/lock"
	revert_dir_=$STATE/components/$1/trial/reverting
	# BusyBox renames a directory to its own name, and says that it did.
	if [ "$3" != reverting ] && trial_move "$1" "$3" reverting; then
		# Before others who come can say why.
		(write_file "$revert_dir_/outcome" "reason $2") || :
	elif [ ! -d "$revert_dir_" ]; then
		return 0
	fi
	worker_end "$1"
	[ -d "$revert_dir_" ] || return 0
	worker_mark "$revert_dir_" revert
	[ -s "$revert_dir_/outcome" ] || (write_file "$revert_dir_/outcome" "reason $2")
	trial_way_back "$1"
}

revert_with_retries() { # COMPONENT REASON STATE: nobody watches here, so a way back that fails is tried again, for a day, with pauses up to a minute: disks are emptied, services mended (P8). Till then it stays `reverting`, which a probe shows. The boot tries once
	trial_value "$1" id || :
	retry_id_=$VALUE
	try_=0
	while [ "$try_" -lt 1500 ]; do
		# Another trial since then is not ours to take back.
		[ "$(trial_get "$1" id || :)" = "$retry_id_" ] || return 0
		if trial_revert "$1" "$2" "$3" && { [ -n "${GUARD-}" ] || undrain "$1"; }; then return 0; fi
		try_=$((try_ + 1))
		echo "cutover: way back of $1, try $try_: $WHY: $EVIDENCE" >&2
		[ -z "${GUARD-}" ] || return 1
		exec 6>&- # an undo or a switch that comes meanwhile need not wait for us
		if [ "$try_" -lt 60 ]; then sleep "$try_"; else sleep 60; fi
	done
	return 1
}

watch_mark() { # COMPONENT ID WORD: say that this process watches that trial from now on
	own_pid
	WATCH_PID=$OWN_PID
	find_born "$WATCH_PID" || :
	write_file "$STATE/components/$1/trial/watch-$3" "$2 $WATCH_PID $BORN"
}

watch_until() { # COMPONENT ID WORD FILE STATES…: wait until FILE's deadline (renewable), 1 as soon as the trial is none of STATES or another one
	until_component_=$1
	until_id_=$2
	until_word_=$3
	until_file_=$4
	shift 4
	# Once: on a full disk who looks again and again would end here.
	[ -n "${WATCH_PID-}" ] || watch_mark "$until_component_" "$until_id_" "$until_word_"
	while :; do
		find_trial_state "$until_component_"
		until_state_=$TRIAL_STATE
		case " $* " in *" $until_state_ "*) ;; *) return 1 ;; esac
		until_path_=$STATE/components/$until_component_/trial/$until_state_
		# Renamed away between two looks: the next round says what it is now.
		until_is_=
		until_deadline_=
		if ! { kv_value "$until_path_/trial" id && until_is_=$VALUE && kv_value "$until_path_/$until_file_" deadline && until_deadline_=$VALUE; }; then
			[ ! -d "$until_path_" ] || return 1
			continue
		fi
		[ "$until_is_" = "$until_id_" ] || return 1
		if [ "$until_file_" = trial ]; then # its deadline is in the clock of the boot that armed it
			boot_id
			kv_value "$until_path_/trial" boot-id || VALUE=$BOOT_ID
			[ "$VALUE" = "$BOOT_ID" ] || return 0
		fi
		uptime_cs
		until_left_=$((until_deadline_ - UPTIME_CS))
		[ "$until_left_" -gt 0 ] || return 0
		[ "$until_left_" -le 500 ] || until_left_=500 # short naps: a machine that was suspended catches up
		nap "$((until_left_ / 100)).$((until_left_ % 100 / 10))$((until_left_ % 10))"
	done
}

word_revert() { # COMPONENT TRIALID: wait for the deadline of that trial and take it back, unless somebody decided before; at once when it is being taken back
	is_component "$1" || fail 64 bad-request "not a component"
	find_trial_state "$1"
	case $TRIAL_STATE in
		armed)
			watch_until "$1" "$2" revert trial armed || trial_is "$1" reverting || return 0
			;;
		reverting) watch_mark "$1" "$2" revert ;;
		*) return 0 ;;
	esac
	[ "$(trial_get "$1" id)" = "$2" ] || return 0
	revert_with_retries "$1" deadline armed
}

word_probation() { # COMPONENT TRIALID: wait for the end of its probation, and take it back when it is still not committed then
	is_component "$1" || fail 64 bad-request "not a component"
	while :; do
		watch_until "$1" "$2" probation probation armed confirmed || return 0
		# Its confirm may take longer than its probation, and what is not confirmed yet is not ours to take back. Asked of the look that
		# found the deadline over: a confirm since then may have begun the probation anew.
		[ "$until_state_" = armed ] || break
		nap 0.2
	done
	[ "$(trial_get "$1" id || :)" = "$2" ] || return 0
	revert_with_retries "$1" probation confirmed
}
