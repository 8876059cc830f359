# The dead man's switch. components/<c>/trial/ holds at most one of the directories armed | confirmed | reverting | reverted, and which
# one is decided by rename(2) alone: confirm renames armed → confirmed, every way back renames armed (or confirmed) → reverting →
# reverted. What runs at the deadline is the copy of host.sh that armed it (trial/host-ID.sh), so that a bad host.sh cannot disarm it
# (T36). All times are /proc/uptime (F19). In a state directory: `trial` (who, from, to, deadline), `switched` (the hand-over was
# complete), `worker` and `watch` (pid born), `probation`, `outcome` (reason), `evidence`.

trial_dir() { # COMPONENT: print its trial directory
	echo "$STATE/components/$1/trial"
}

trial_state() { # COMPONENT: print armed, confirmed, reverting, reverted or none; looks in the order in which a trial moves
	find_trial_state "$1"
	echo "$TRIAL_STATE"
}

find_trial_state() { # COMPONENT: the same, into TRIAL_STATE
	for TRIAL_STATE in armed confirmed reverting reverted; do
		[ ! -d "$STATE/components/$1/trial/$TRIAL_STATE" ] || return 0
	done
	TRIAL_STATE=none
}

trial_is() { # COMPONENT STATE: 0 while its trial is in that state
	find_trial_state "$1"
	[ "$TRIAL_STATE" = "$2" ]
}

trial_get() { # COMPONENT KEY: print a value of its trial's record, whatever its state; 1 when there is none
	trial_value "$1" "$2" && printf '%s\n' "$VALUE"
}

trial_value() { # COMPONENT KEY: the same, into VALUE
	for value_state_ in armed confirmed reverting reverted; do
		kv_value "$STATE/components/$1/trial/$value_state_/trial" "$2" && return 0
	done
	return 1
}

trial_facts() { # COMPONENT: print what a probe tells of its trial, as plain `key value` lines
	find_trial_state "$1"
	facts_state_=$TRIAL_STATE
	case $facts_state_ in
		none)
			if [ -f "$STATE/components/$1/committed" ]; then echo "state committed"; else echo "state none"; fi
			return 0
			;;
		armed) echo "state trial" ;;
		*) echo "state $facts_state_" ;;
	esac
	facts_dir_=$STATE/components/$1/trial/$facts_state_
	for facts_key_ in from to run; do
		if kv_value "$facts_dir_/trial" "$facts_key_"; then echo "trial-$facts_key_ $VALUE"; fi
	done
	if [ "$facts_state_" = armed ] && kv_value "$facts_dir_/trial" ends; then echo "trial-ends $VALUE"; fi
	if kv_value "$facts_dir_/outcome" reason; then echo "trial-reason $VALUE"; fi
}

trial_move() { # COMPONENT FROM TO: the decision; 0 for the one whose rename it was
	move_dir_=$STATE/components/$1/trial
	[ -d "$move_dir_/$2" ] && mv -T "$move_dir_/$2" "$move_dir_/$3" 2>/dev/null || return 1
	sync_dir "$move_dir_"
}

component_lock() { # COMPONENT SECONDS: hold components/<c>/lock until the process ends; 1 when somebody else keeps it
	make_dir "$STATE/components/$1"
	exec 6>>"$STATE/components/$1/lock"
	uptime_cs
	lock_by_=$((UPTIME_CS + $2 * 100))
	until flock -n 6; do
		uptime_cs
		[ "$UPTIME_CS" -lt "$lock_by_" ] || return 1
		nap
	done
}

own_pid() { # set OWN_PID, the pid of the very shell that runs this, subshell or not
	read -r OWN_PID _ </proc/self/stat
}

own_shell() { # print the words that start another sh of the kind that runs this
	self_shell
	echo "$SELF_SHELL"
}

has_systemd() { # system mode with systemd as the service manager
	[ "$MODE" = system ] && [ -d /run/systemd/system ] && has_tool systemd-run
}

# ---- arming ---------------------------------------------------------------

trial_arm() { # FROM|- TO SECONDS: make the trial of T_COMPONENT and prove that its deadline is being watched; otherwise 1 with WHY and EVIDENCE, and no trial
	arm_dir_=$STATE/components/$T_COMPONENT/trial
	WHY=arming-failed
	EVIDENCE="cannot write below $arm_dir_"
	arm_from_=
	[ "$1" = - ] || arm_from_=$1
	uptime_cs
	TRIAL_ID=t$UPTIME_CS-$$
	trial_recover "$T_COMPONENT"
	kv_value "$arm_dir_/confirmed/trial" id || :
	arm_before_=$VALUE
	for arm_old_ in "$arm_dir_/.arming" "$arm_dir_/.gone" "$arm_dir_/.before" "$arm_dir_"/host-*.sh; do
		[ ! -e "$arm_old_" ] || [ "$arm_old_" = "$arm_dir_/host-$arm_before_.sh" ] || rm -rf "$arm_old_"
	done
	mkdir -p "$arm_dir_/.arming" || return 1
	trial_record "$arm_from_" "$2" "$((UPTIME_CS + $3 * 100))" "$(($(date +%s) + $3))"
	{ printf '%s\n' "$TEXT" >"$arm_dir_/.arming/trial"; } 2>/dev/null && holds_text "$arm_dir_/.arming/trial" "$TEXT" || return 1
	worker_mark "$arm_dir_/.arming" switch
	cp "$SELF" "$arm_dir_/host-$TRIAL_ID.sh" && cmp -s "$SELF" "$arm_dir_/host-$TRIAL_ID.sh" || return 1
	# All that the trial consists of, before the rename that makes it one.
	sync_path "$arm_dir_/host-$TRIAL_ID.sh" "$arm_dir_/.arming/trial" "$arm_dir_/.arming" "$arm_dir_" "${arm_dir_%/*}" || return 1
	if [ -d "$arm_dir_/reverted" ]; then mv -T "$arm_dir_/reverted" "$arm_dir_/.gone" && rm -rf "$arm_dir_/.gone" || return 1; fi
	# One that this trial builds upon is kept beside it: if this one is dropped, that is what is true again.
	[ ! -d "$arm_dir_/confirmed" ] || mv -T "$arm_dir_/confirmed" "$arm_dir_/.before" || return 1
	mv -T "$arm_dir_/.arming" "$arm_dir_/armed" && sync_dir "$arm_dir_" || return 1
	if trial_enable_guard && trial_watch "$T_COMPONENT" revert "$3"; then return 0; fi
	trial_drop
	return 1
}

trial_record() { # FROM TO DEADLINE ENDS: the record of the trial TRIAL_ID, in TEXT; ENDS is the deadline by this host's clock, for people only (F19); TRIAL_FOUND says how a service was found that goes back to itself (running, stopped), or that current did not name FROM (other)
	boot_id
	TEXT=
	kv_add boot-id "$BOOT_ID"
	kv_add deadline "$3"
	kv_add ends "$4"
	kv_add found "${TRIAL_FOUND-}"
	kv_add from "$1"
	if [ -n "$1" ] && find_tree "$T_COMPONENT" "$1"; then kv_add from-tree "$FOUND_TREE"; fi
	kv_add id "$TRIAL_ID"
	kv_add root "$ROOT"
	kv_add run "$T_RUN"
	kv_add session "$T_SESSION"
	kv_add to "$2"
	if find_tree "$T_COMPONENT" "$2"; then kv_add to-tree "$FOUND_TREE"; fi
}

trial_drop() { # forget the armed trial of T_COMPONENT, before anything was switched; the confirmed one that it was to build upon goes on, its probation from the start
	drop_dir_=$STATE/components/$T_COMPONENT/trial
	trial_unwatch "$T_COMPONENT" "$TRIAL_ID"
	trial_move "$T_COMPONENT" armed .gone && rm -rf "$drop_dir_/.gone"
	trial_recover "$T_COMPONENT"
	if [ -d "$drop_dir_/confirmed" ]; then
		(load_contract "$T_COMPONENT" "$(trial_get "$T_COMPONENT" to)" && probation_start "$T_COMPONENT" confirmed) || :
	else
		socket_settle "$TO"
	fi
}

trial_recover() { # COMPONENT: arming was given up, or cut off between its two renames: the confirmed trial that was put aside is the trial again
	recover_dir_=$STATE/components/$1/trial
	[ -d "$recover_dir_/.before" ] && trial_is "$1" none || return 0
	mv -T "$recover_dir_/.before" "$recover_dir_/confirmed" && sync_dir "$recover_dir_" || :
}

worker_mark() { # DIR switch|revert: remember who works on this trial, so that a deadline can end a switch that hangs
	own_pid
	find_born "$OWN_PID" || :
	echo "$OWN_PID $BORN $2" >"$1/worker"
}

trial_watch() { # COMPONENT revert|probation SECONDS: start what calls that entry word when the time is over, and see it start; 1 with WHY otherwise
	watch_dir_=$STATE/components/$1/trial
	trial_value "$1" id
	watch_id_=$VALUE
	WHY=arming-failed
	watch_copy_=$watch_dir_/host-$watch_id_.sh
	if has_systemd; then
		# Timers start after the boot guard, and systemd-run waits for them, the guard for itself: there the called word waits alone.
		if [ -n "${GUARD-}" ]; then
			set -- "$1" "$2" --no-block --property=Type=exec
		else
			set -- "$1" "$2" --on-active="${3}s" --timer-property=AccuracySec=100ms --property=Type=oneshot --property=TimeoutStartSec=infinity
		fi
		watch_component_=$1
		watch_word_=$2
		shift 2
		# shellcheck disable=SC2046 # the shell may be two words
		EVIDENCE=$(timeout -k 2 20 systemd-run --quiet --collect --unit="cutover-$watch_word_-$watch_id_" "$@" \
			--property=KillMode=process --setenv=PATH="$PATH" --setenv=LC_ALL=C \
			$(own_shell) "$watch_copy_" "$STATE" "$watch_word_" "$watch_component_" "$watch_id_" </dev/null 2>&1 3>&- 6>&- 7>&- 8>&- 9>&-) || return 1
		[ -z "${GUARD-}" ] || return 0
		trial_watched "$watch_component_" "$watch_word_" && return 0 # the timer, or with hardly any time left already what it calls
		EVIDENCE="systemd does not show cutover-$watch_word_-$watch_id_.timer, which it was asked to start"
		return 1
	fi
	[ ! -e "$watch_dir_/watch-$2" ] || rm -f "$watch_dir_/watch-$2"
	(
		children_alone
		# shellcheck disable=SC2046
		cd / && exec setsid env -i PATH="$PATH" LC_ALL=C $(own_shell) "$watch_copy_" "$STATE" "$2" "$1" "$watch_id_"
	) </dev/null >>"$STATE/components/$1/revert.log" 2>&1 &
	uptime_cs
	watch_by_=$((UPTIME_CS + 500))
	until [ -s "$watch_dir_/watch-$2" ]; do
		uptime_cs
		if [ "$UPTIME_CS" -ge "$watch_by_" ]; then
			EVIDENCE="the sleeper did not start: $(tail -n 3 "$STATE/components/$1/revert.log" 2>/dev/null || :)"
			return 1
		fi
		nap 0.02
	done
}

trial_unwatch() { # COMPONENT ID: stop the timers of a trial that is decided; only tidying
	if has_systemd; then
		for unwatch_ in revert probation; do
			systemd_ask stop "cutover-$unwatch_-$2.timer" >/dev/null || :
		done
		return 0
	fi
	trial_unwatch_word "$1" "$2" revert
	trial_unwatch_word "$1" "$2" probation
}

trial_unwatch_word() { # COMPONENT ID WORD: end the sleeper that waits to call WORD for that trial, unless we are it
	unwatch_file_=$STATE/components/$1/trial/watch-$3
	{ read -r unwatch_id_ unwatch_pid_ unwatch_born_ <"$unwatch_file_"; } 2>/dev/null || return 0
	[ "$unwatch_id_" = "$2" ] || return 0
	if [ "$unwatch_pid_" != "${WATCH_PID-}" ] && same_process "$unwatch_pid_" "$unwatch_born_"; then
		kill -KILL "-$unwatch_pid_" 2>/dev/null || :
	fi
	rm -f "$unwatch_file_"
}

trial_watched() { # COMPONENT revert|probation: 0 while something waits for the deadline, 2 when systemd does not say
	trial_value "$1" id || return 1
	watched_id_=$VALUE
	if has_systemd; then
		until_answered trial_has_unit "cutover-$2-$watched_id_"
		return
	fi
	{ read -r watched_is_ watched_pid_ watched_born_ <"$STATE/components/$1/trial/watch-$2"; } 2>/dev/null || return 1
	[ "$watched_is_" = "$watched_id_" ] && same_process "$watched_pid_" "$watched_born_"
}

trial_has_unit() { # NAME: the same of its timer and its service, which is `activating` as long as it waits or goes back
	has_unit_said_=$(systemd_ask show -p ActiveState --value "$1.timer" "$1.service") || return 2
	printf '%s\n' "$has_unit_said_" | grep -qx -e active -e activating -e reloading
}

trial_enable_guard() { # system mode: the boot guard is installed and enabled, else no trial (P8 after a reboot)
	has_systemd || return 0
	guard_unit_=/etc/systemd/system/cutover-guard.service
	WHY=arming-failed
	EVIDENCE="cannot enable cutover-guard.service"
	if [ ! -f "$guard_unit_" ]; then
		atomic_write "$guard_unit_" <<-END || return 1
			[Unit]
			Description=Take back cutover releases that nobody confirmed before this boot
			DefaultDependencies=no
			RequiresMountsFor=$STATE
			After=local-fs.target
			Before=sysinit.target

			[Service]
			Type=oneshot
			ExecStart=/usr/local/lib/cutover/stub guard

			[Install]
			WantedBy=sysinit.target
		END
		chmod 644 "$guard_unit_" && systemd_call daemon-reload || return 1
	fi
	systemd_ask is-enabled --quiet cutover-guard.service || systemd_call enable cutover-guard.service
}
