# Confirm: proof that the host can still be reached after the switch. Renames armed → confirmed (F13: the rename decides between this
# and the deadline), then starts the probation.

trial_run_option() { # print the run whose trial a task is about: option trial-run, else the task's own run
	task_option trial-run "$T_RUN"
}

task_confirm_do() { # the trial of the run becomes confirmed: submitted by another session than the switch, before its deadline. Again: renews the probation
	confirm_run_=$(trial_run_option)
	find_trial_state "$T_COMPONENT"
	confirm_state_=$TRIAL_STATE
	confirm_dir_=$STATE/components/$T_COMPONENT/trial
	if [ "$confirm_state_" = none ]; then
		if [ "$(kv_get "$T_DIR/committed" run || :)" = "$confirm_run_" ]; then
			echo "already committed"
			return 0
		fi
		# Another controller's run brought the same version and ended: there is nothing left to prove (F18).
		if [ "$(kv_get "$T_DIR/committed" version || :)" = "$T_VERSION" ]; then
			load_contract "$T_COMPONENT" "$T_VERSION"
			if [ "$(current_version "$ROOT" || :)" = "$T_VERSION" ]; then
				echo "already committed by run $(kv_get "$T_DIR/committed" run || echo unknown)"
				return 0
			fi
		fi
		fail 66 no-trial "$T_COMPONENT is not on trial"
	fi
	trial_value "$T_COMPONENT" run && [ "$VALUE" = "$confirm_run_" ] ||
		fail 66 no-trial "the trial of $T_COMPONENT belongs to run $(trial_get "$T_COMPONENT" run || echo unknown)"
	trial_value "$T_COMPONENT" to || :
	load_contract "$T_COMPONENT" "$VALUE"
	case $confirm_state_ in
		armed) confirm_armed ;;
		confirmed) probation_start "$T_COMPONENT" confirmed || fail 71 "$WHY" "$EVIDENCE" ;;
		*) confirm_lost ;;
	esac
	units_confirmed || fail 71 "$WHY" "$EVIDENCE"
	echo "confirmed=$(trial_get "$T_COMPONENT" to) from=$(trial_get "$T_COMPONENT" from || echo none)"
}

confirm_armed() { # decide it, or fail and say what is true
	trial_value "$T_COMPONENT" session || :
	[ "$VALUE" != "$T_SESSION" ] ||
		fail 77 same-session "the switch came over this very connection; confirm over a new one"
	[ -f "$confirm_dir_/armed/switched" ] || ! trial_is "$T_COMPONENT" armed ||
		fail 75 switch-incomplete "the switch of this trial has not ended"
	boot_id
	trial_value "$T_COMPONENT" boot-id || :
	if [ "$VALUE" != "$BOOT_ID" ] && trial_is "$T_COMPONENT" armed; then
		# Its deadline counts from another boot: how long the host was away is not known, and without systemd nobody took it back.
		trial_watched "$T_COMPONENT" revert || trial_watch "$T_COMPONENT" revert 0 || :
		fail 66 deadline-passed "the host was started anew during the trial; it goes back"
	fi
	if ! probation_start "$T_COMPONENT" armed; then
		trial_is "$T_COMPONENT" armed || confirm_lost
		fail 71 "$WHY" "$EVIDENCE"
	fi
	trial_value "$T_COMPONENT" deadline || confirm_lost
	confirm_deadline_=$VALUE
	uptime_cs
	if [ "$UPTIME_CS" -ge "$confirm_deadline_" ]; then
		if trial_is "$T_COMPONENT" armed && ! trial_watched "$T_COMPONENT" revert; then
			trial_watch "$T_COMPONENT" revert 0 || :
		fi
		fail 66 deadline-passed "confirmed $(((UPTIME_CS - confirm_deadline_) * 10)) ms after the deadline"
	fi
	trial_move "$T_COMPONENT" armed confirmed || confirm_lost
	trial_disarm "$T_COMPONENT"
}

trial_disarm() { # COMPONENT: stop the deadline of a confirmed trial, keep its probation; only tidying
	trial_value "$1" id
	disarm_id_=$VALUE
	if has_systemd; then
		systemctl stop "cutover-revert-$disarm_id_.timer" </dev/null >/dev/null 2>&1 || :
	else
		trial_unwatch_word "$1" "$disarm_id_" revert
	fi
}

confirm_lost() { # the way back came first: say why, with what was seen before
	find_trial_state "$T_COMPONENT"
	lost_state_=$TRIAL_STATE
	[ "$lost_state_" != confirmed ] || return 0
	lost_dir_=$confirm_dir_/$lost_state_
	fail 66 reverted "$lost_state_, reason $(kv_get "$lost_dir_/outcome" reason || echo unknown): $(tail -c 3000 "$lost_dir_/evidence" 2>/dev/null || :)"
}

probation_start() { # COMPONENT STATE: (re)start the signed probation of the trial in that state; needs a watcher only when it ends with revert
	kv_value "$CONTRACT" probation.seconds || return 0
	probation_seconds_=$VALUE
	probation_dir_=$STATE/components/$1/trial/$2
	uptime_cs
	WHY=cannot-write EVIDENCE="cannot write $probation_dir_/probation"
	(write_file "$probation_dir_/probation" "deadline $((UPTIME_CS + probation_seconds_ * 100))") || return 1
	kv_value "$CONTRACT" probation.at-end && [ "$VALUE" = revert ] || return 0
	trial_watched "$1" probation || trial_watch "$1" probation "$probation_seconds_"
}

task_confirm_undo() { # nothing: what was confirmed goes back by the switch's undo
	echo "nothing to undo"
}
