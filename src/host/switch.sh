# The switch: `current` is pointed at another version by one rename, under the component's lock, after the way back is armed; then the
# contract's strategy hands the service over. Strategies (strategies/NAME.sh, five functions each) read FROM (empty for a first install),
# TO, TRIAL, CONTRACT and ROOT; one that fails returns 1 with WHY (a stable word) and EVIDENCE set.

strategy_name() { # print none, restart, socket, exec, takeover, reuseport, signal, reload or balancer
	kv_get "$CONTRACT" switch.strategy || echo none
}

strategy_stops() { # 0 when the contract's strategy ends the old version before it starts the new one
	case $(strategy_name) in restart | balancer) ;; *) return 1 ;; esac
}

strategy_call() { # prepare|hand_over|ready|way_back|finish: the contract's strategy does it
	case $(strategy_name) in
		none) "none_$1" ;;
		restart) "restart_$1" ;;
		socket) "socket_$1" ;;
		exec) "exec_$1" ;;
		takeover) "takeover_$1" ;;
		reuseport) "reuseport_$1" ;;
		signal) "signal_$1" ;;
		reload) "reload_$1" ;;
		balancer) "balancer_$1" ;;
		*) WHY=unknown-strategy EVIDENCE="this host.sh knows the strategies none, restart, socket, exec, takeover, reuseport, signal, reload and balancer"; return 1 ;;
	esac
}

strategy_kept() { # with the contract of TO: the process that served before TO was asked for was not asked to stop, or is fit to serve again without a break, and is the main one: that of a strategy that replaces what runs need not be stopped for the way back. Prints its `pid born`; 1 when there is none, and something may have to be stopped, 2 when it is unknown who is the main process
	[ "$(kv_get "$TRIAL/trial" found || :)" != other ] || return 1
	case $(strategy_name) in exec | takeover | reuseport | signal | reload) ;; *) return 1 ;; esac
	manager_find_main || [ $? -eq 1 ] || return 2
	if strategy_unasked; then return 0; fi
	case $(strategy_name) in
		exec | reuseport) exec_keep_old ;;
		takeover) exec_end_strays && takeover_unasked ;;
		# What its workers read when they return is what current names.
		signal) signal_asked "$TO" && same_process "$ASKED" "$ASKED_BORN" && { [ -f "$ALONE_FILE" ] || signal_serves "$ASKED" || catches "$ASKED" HUP; } && point_current "$ROOT" "$FROM" && signal_take_back ;;
		*) return 1 ;;
	esac >/dev/null || return
	kv_value "$TRIAL/hand-over.$TO" pid
	kept_pid_=$VALUE
	kv_value "$TRIAL/hand-over.$TO" born
	kept_born_=$VALUE
	manager_main_is "$kept_pid_" || return
	same_process "$kept_pid_" "$kept_born_" && echo "$kept_pid_ $kept_born_"
}

strategy_unasked() { # the switch was cut off, or found the disk full, before anybody was asked: print `pid born` of the main process (in MAIN_PID) when it was there before the trial
	for unasked_file_ in "$TRIAL/hand-over.$TO" "$TRIAL/hand-over.$TO.cold" "$TRIAL/cold.$TO"; do
		[ ! -e "$unasked_file_" ] || return 1
	done
	boot_id
	[ "$(kv_get "$TRIAL/trial" boot-id || :)" = "$BOOT_ID" ] && kv_value "$TRIAL/trial" id || return 1
	unasked_cs_=${VALUE#t} # uptime when it was armed
	unasked_hz_=$(getconf CLK_TCK 2>/dev/null) || unasked_hz_=100
	find_born "$MAIN_PID" && [ "$BORN" -lt $((${unasked_cs_%%-*} * unasked_hz_ / 100)) ] || return 1
	echo "$MAIN_PID $BORN"
}

point_current() { # ROOT VERSION: re-point current by rename; 1 with WHY and EVIDENCE when it cannot, current is then what it was
	WHY=cannot-switch
	[ ! -e "$1/.current.new" ] && [ ! -L "$1/.current.new" ] || rm -f "$1/.current.new" # a leftover link would send ln inside the old version
	EVIDENCE=$( (ln -s "versions/$2" "$1/.current.new" && mv -T "$1/.current.new" "$1/current" && sync_dir "$1") 2>&1) && return 0
	rm -f "$1/.current.new" 2>/dev/null || :
	return 1
}

still_decided() { # 0 while nobody has decided against the trial that we work on; TRIAL is its directory
	[ -d "$TRIAL" ] && return 0
	WHY=reverted
	EVIDENCE="the trial was taken back meanwhile"
	return 1
}

wait_ready() { # within switch.ready-seconds the strategy says ready; 1 with WHY and EVIDENCE when it failed, hung, or the trial was decided
	ready_seconds_=$(contract_number switch.ready-seconds 30)
	uptime_cs
	ready_by_=$((UPTIME_CS + ready_seconds_ * 100))
	while :; do
		still_decided || return 1
		uptime_cs # before the look: on a busy host one takes longer than these seconds may be, and what got ready in it is ready
		ready_at_=$UPTIME_CS
		case $(strategy_call ready) in
			ready) return 0 ;;
			failed)
				WHY=not-ready
				EVIDENCE="it ended before it was ready; $(manager_status_evidence)"
				return 1
				;;
		esac
		if [ "$ready_at_" -ge "$ready_by_" ]; then
			WHY=not-ready
			EVIDENCE="not ready within $ready_seconds_ s; $(manager_status_evidence)"
			return 1
		fi
		nap
	done
}

task_switch_do() { # point current at T_VERSION on trial. The same run and version again: goes on where it stopped, or says that it is done
	component_lock "$T_COMPONENT" 10 || fail 75 component-busy "somebody else works on $T_COMPONENT"
	uptime_cs
	SWITCH_BEGUN=$UPTIME_CS
	load_contract "$T_COMPONENT" "$T_VERSION"
	find_tree "$T_COMPONENT" "$T_VERSION" || fail 66 version-not-built "$T_COMPONENT $T_VERSION is not built and verified on this host"
	switch_above_floor
	switch_seconds_=$(contract_number deadline.seconds 120)
	SWITCH_DEADLINE=$(task_option deadline "$switch_seconds_")
	{ is_number "$SWITCH_DEADLINE" && [ "$SWITCH_DEADLINE" -gt 0 ]; } || fail 64 bad-request "deadline is not a number of seconds"
	[ "$SWITCH_DEADLINE" -le "$switch_seconds_" ] || fail 77 deadline-too-long "$SWITCH_DEADLINE s asked for, $switch_seconds_ s signed"
	TO=$T_VERSION
	TRIAL=$(trial_dir "$T_COMPONENT")/armed
	switch_state_=$(trial_state "$T_COMPONENT")
	case $switch_state_:$(trial_get "$T_COMPONENT" run || :):$(trial_get "$T_COMPONENT" to || :) in
		confirmed:"$T_RUN:$T_VERSION")
			echo "already confirmed"
			return 0
			;;
		armed:"$T_RUN:$T_VERSION") switch_resume ;;
		armed:* | reverting:*)
			fail 75 trial-open "$T_COMPONENT is $switch_state_: $(trial_get "$T_COMPONENT" from || echo none) to $(trial_get "$T_COMPONENT" to) by run $(trial_get "$T_COMPONENT" run)"
			;;
		*) switch_begin ;;
	esac
}

switch_above_floor() { # end the task when T_VERSION's sequence is below the host's floor (T1)
	floor_=0
	if [ -f "$T_DIR/floor" ]; then read -r floor_ <"$T_DIR/floor"; fi
	sequence_=$(contract_number sequence 0)
	[ "$sequence_" -ge "${floor_##* }" ] || fail 77 below-floor "sequence $sequence_ is below the floor ${floor_##* } of this host"
}

switch_trusted() { # end the task when today's keys do not stand behind T_VERSION, or others can write where current is
	real_path "$ROOT" || fail 78 unsafe-permissions "cannot inspect $ROOT"
	switch_problem_=$(root_problem)
	[ -z "$switch_problem_" ] || fail 77 root-not-allowed "$switch_problem_"
	check_private "$REAL/versions"
	switch_proof_=$(mktemp -d "$T_DIR/.check.XXXXXX") || fail 73 cannot-create "cannot create a directory in $T_DIR"
	trap 'remove_tree "$switch_proof_"' EXIT
	check_contract "$switch_proof_"
	remove_tree "$switch_proof_"
	trap - EXIT
}

switch_begin() { # arm a new trial and switch; not in a run that goes back already, whose step was at work on something else till now
	switch_wanted || fail 66 taken-back "run $T_RUN is on its way back"
	FROM=
	TRIAL_FOUND=
	if read_current "$ROOT"; then
		FROM=$CURRENT
	else
		{ [ ! -e "$ROOT/current" ] && [ ! -L "$ROOT/current" ]; } || fail 65 current-foreign "$ROOT/current is not a link to versions/<version>"
	fi
	if [ "$FROM" = "$TO" ]; then
		if switch_confirmed; then
			echo "already current"
			return 0
		fi
		# Nobody ever confirmed what a hand pointed current at: that is what a trial is for, and it goes back to what was committed. Where
		# nothing was, it goes back to what was found: the same version, running or not.
		FROM=$(kv_get "$T_DIR/committed" version || echo "$TO")
		[ "$FROM" = "$TO" ] || TRIAL_FOUND=other # what runs is not FROM
	fi
	[ -z "$FROM" ] || find_tree "$T_COMPONENT" "$FROM" || fail 65 current-incomplete "$FROM, the way back, is not a verified version"
	! backup_is_spent || fail 66 backup-spent "what run $T_RUN saved of $T_COMPONENT $SPENT; it has to be saved anew before another trial: cutover task retry $T_RUN/$HOST_NAME/$T_COMPONENT/switch --reason WHY, or cutover rollback"
	switch_trusted
	switch_problem_=$(units_problem "$FROM")
	[ -z "$switch_problem_" ] || fail 69 units-changed "$switch_problem_"
	strategy_call prepare || switch_refuse 69
	[ "$FROM" != "$TO" ] || switch_found || switch_refuse 69
	trial_arm "${FROM:--}" "$TO" "$SWITCH_DEADLINE" || switch_refuse 71
	# An undo that came while this was under way found no trial; one that comes from here on finds it.
	switch_wanted || {
		trial_drop
		fail 66 taken-back "run $T_RUN is on its way back"
	}
	switch_go
}

switch_found() { # what the trial finds, running or stopped, into TRIAL_FOUND; 1 with WHY and EVIDENCE when that is unknown: a guess would stop on the way back what ran
	manager_find_active || return 1
	if [ "$ACTIVE" = yes ]; then TRIAL_FOUND=running; else TRIAL_FOUND=stopped; fi
}

switch_refuse() { # CODE: end the task with WHY and EVIDENCE before there is a trial; what prepare did goes, unless the confirmed trial before this one needs it
	trial_is "$T_COMPONENT" confirmed || socket_settle "$TO"
	fail "$1" "$WHY" "$EVIDENCE"
}

switch_wanted() { # 0 while no step of the way back was given to this host in this run
	for wanted_back_ in "$STATE/runs/$T_RUN"/rollback.*; do
		[ ! -d "$wanted_back_" ] || return 1
	done
}

switch_confirmed() { # 0 when T_VERSION is what was committed here, or confirmed by an earlier run
	[ "$(kv_get "$T_DIR/committed" version || :)" != "$TO" ] || return 0
	[ "$switch_state_" = confirmed ] && [ "$(trial_get "$T_COMPONENT" to || :)" = "$TO" ]
}

switch_resume() { # the switch of this run was interrupted, or it is done
	FROM=$(kv_get "$TRIAL/trial" from || :)
	TRIAL_ID=$(kv_get "$TRIAL/trial" id)
	if [ -f "$TRIAL/switched" ]; then
		cat "$TRIAL/switched"
		return 0
	fi
	boot_id
	if [ "$(kv_get "$TRIAL/trial" boot-id || :)" != "$BOOT_ID" ]; then
		trial_watched "$T_COMPONENT" revert || trial_watch "$T_COMPONENT" revert 0 || fail 71 "$WHY" "$EVIDENCE"
		fail 66 reverted "the host was started anew during the trial; it goes back"
	fi
	worker_mark "$TRIAL" switch
	if ! trial_watched "$T_COMPONENT" revert; then
		resume_left_=$((($(kv_get "$TRIAL/trial" deadline) - UPTIME_CS + 99) / 100))
		[ "$resume_left_" -gt 0 ] || resume_left_=0
		trial_watch "$T_COMPONENT" revert "$resume_left_" || fail 71 "$WHY" "$EVIDENCE"
	fi
	switch_go
}

switch_go() { # the part after arming; every step of it can be done again
	switch_old_=$(kv_get "$TRIAL/hand-over.$TO" pid || manager_tell_main || units_main_pid "$FROM" || echo none) # a strategy that was interrupted knows whom it asked
	[ -s "$TRIAL/since-switch" ] || ! manager_is process || process_mark_log
	switch_since_=$(end_since switch)
	still_decided || fail 66 "$WHY" "$EVIDENCE"
	if [ "$(current_version "$ROOT" || :)" != "$TO" ] && ! point_current "$ROOT" "$TO"; then
		switch_why_=$WHY switch_evidence_=$EVIDENCE
		if [ "$(current_version "$ROOT" || :)" = "$FROM" ]; then trial_drop; fi
		fail 74 "$switch_why_" "$switch_evidence_"
	fi
	! manager_is process || process_bound_log || :
	{ strategy_call hand_over && wait_ready; } || fail 71 "$WHY" "$EVIDENCE"
	uptime_cs
	switch_evidence_="old-pid=$switch_old_ new-pid=$(manager_tell_main || echo none) from=${FROM:-none} to=$TO ms=$(((UPTIME_CS - SWITCH_BEGUN) * 10))$(end_killed "$switch_since_")"
	[ "$(strategy_name)" != reuseport ] || switch_evidence_="$switch_evidence_ $(reuseport_note)"
	(write_file "$TRIAL/switched" "$switch_evidence_") || fail 66 reverted "the trial was taken back meanwhile"
	echo "$switch_evidence_"
}

task_switch_undo() { # the way back, now: the run's trial, armed or confirmed, ends in reverted; continues one that was interrupted. What the run has committed is not taken back
	undo_run_=$(trial_run_option)
	undo_reason_=$(task_option reason operator)
	case $undo_reason_ in failed | operator) ;; *) fail 64 bad-request "reason is failed or operator" ;; esac
	if ! undo_found; then
		undo_without
		return 0
	fi
	if [ "$undo_state_" != reverted ]; then
		undo_point_=$(task_option point '')
		[ -z "$undo_point_" ] || point_want "$undo_run_" "$undo_point_"
		trial_revert "$T_COMPONENT" "$undo_reason_" "$undo_state_" || undo_later
		# Confirmed by a race between our two looks: the undo stands above the confirm.
		if undo_found && [ "$undo_state_" = confirmed ]; then
			trial_revert "$T_COMPONENT" "$undo_reason_" confirmed || undo_later
		fi
		# Gone meanwhile: the switch that had just armed it saw the way back and dropped it, or a commit was faster than we.
		if ! undo_found; then
			undo_without
			return 0
		fi
	fi
	undo_dir_=$(trial_dir "$T_COMPONENT")/reverted
	[ -d "$undo_dir_" ] || fail 75 component-busy "the trial is $(trial_state "$T_COMPONENT")"
	tail -c 3000 "$undo_dir_/evidence" 2>/dev/null || :
	cat "$undo_dir_/restored" 2>/dev/null || :
	echo "current=$(kv_get "$undo_dir_/trial" from || echo none) was=$(kv_get "$undo_dir_/trial" to) reason=$(kv_get "$undo_dir_/outcome" reason || echo unknown)"
	cat "$undo_dir_/switched-back" 2>/dev/null || : # last: of long evidence only the end is kept
}

undo_found() { # 0 when the trial of this component is undo_run_'s; sets undo_state_
	undo_state_=$(trial_state "$T_COMPONENT")
	[ "$undo_state_" != none ] && [ "$(trial_get "$T_COMPONENT" run || :)" = "$undo_run_" ]
}

undo_without() { # undo_run_ has no trial here: its switch has not begun, or was dropped before anything moved; another run's is not ours. Or it was committed, and nobody may take that for undone
	not_committed "$undo_run_"
	undo_prepared
	echo "nothing-to-undo"
}

undo_prepared() { # a switch that was killed before it had armed leaves the limits that it had lifted. Who holds the lock, or is on trial, may need that
	(units_contract "$T_VERSION" && CONTRACT=$UNITS_CONTRACT && strategy_is socket) && component_lock "$T_COMPONENT" 2 || return 0
	case $(trial_state "$T_COMPONENT") in none | reverted) socket_settle "$T_VERSION" ;; esac
}

undo_later() { # end the task: the way back cannot be gone now. It is decided, so the host goes on trying by itself (P8); a confirmed trial has no deadline left that would
	undo_why_=$WHY undo_evidence_=$EVIDENCE
	trial_watched "$T_COMPONENT" revert || trial_watch "$T_COMPONENT" revert 0 || :
	fail 71 "$undo_why_" "$undo_evidence_"
}
