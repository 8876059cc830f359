# Hooks: the executables of the contract's signed task bundle. They run under `env -i` with an
# allow-list, so that nothing of the connection or of the controller reaches them (T13, T35). A task of a balancer is told which host it
# is about (options `target` and `target-address`): name and address of it, checked, and nothing else.

hook_run() { # NAME do|undo SECONDS LOG: run the bundle's executable for it; its status, 124 on timeout; 1 with WHY set when it cannot run
	WHY=no-such-task EVIDENCE="the contract has no task $1"
	kv_value "$CONTRACT" "task.$1.$2" || return 126
	hook_file_=$VALUE
	WHY=bundle-missing EVIDENCE="the task bundle is not built on this host"
	hook_dir_=$(bundle_dir "$CONTRACT") || return 126
	WHY=not-executable EVIDENCE="$hook_file_ is not an executable of the bundle"
	case $hook_file_ in */* | .* | '') return 126 ;; esac
	{ [ -f "$hook_dir_/$hook_file_" ] && [ -x "$hook_dir_/$hook_file_" ] && [ ! -L "$hook_dir_/$hook_file_" ]; } || return 126
	hook_task_=$1
	hook_action_=$2
	hook_seconds_=$3
	hook_log_=$4
	hook_from_=$(trial_get "$T_COMPONENT" from || current_version "$ROOT" || :)
	# Found again by the undo of the same run, and by its do when it runs again: what the task SDK remembers stands there.
	hook_target_=$(task_option target || :)
	hook_state_=$T_DIR/tasks/$(task_option trial-run "$T_RUN")/$1${hook_target_:+.$hook_target_}
	WHY=cannot-create EVIDENCE="cannot create $hook_state_"
	(make_dir "$hook_state_") || return 126
	set --
	while read -r hook_pair_; do
		[ -z "$hook_pair_" ] || set -- "$@" "$hook_pair_"
	done <<-END
		$(kv_list "$CONTRACT" env)
	END
	set -- "$@" PATH="$PATH" LC_ALL=C HOME=/ CUTOVER_COMPONENT="$T_COMPONENT" CUTOVER_VERSION="$T_VERSION" CUTOVER_FROM="$hook_from_" \
		CUTOVER_ROOT="$ROOT" CUTOVER_HOST="$HOST_NAME" CUTOVER_ADDRESS="$ADDRESS" CUTOVER_RUN="$T_RUN" \
		CUTOVER_TASK="$hook_task_" CUTOVER_ACTION="$hook_action_" CUTOVER_STATE="$hook_state_"
	[ -z "$PREFIX" ] || set -- "$@" CUTOVER_PREFIX="$PREFIX"
	[ -z "$hook_target_" ] || set -- "$@" CUTOVER_TARGET_HOST="$hook_target_" CUTOVER_TARGET_ADDRESS="$(task_option target-address)"
	[ "$(task_option dry-run no)" = no ] || set -- "$@" CUTOVER_DRY_RUN=1
	# A bundle is a verified tree: Python must not write what it compiled beside it.
	set -- "$@" PYTHONDONTWRITEBYTECODE=1
	[ -z "${HOOK_BACKUP-}" ] || set -- "$@" CUTOVER_BACKUP="$HOOK_BACKUP"
	[ -z "${HOOK_MOMENT-}" ] || set -- "$@" CUTOVER_MOMENT="$HOOK_MOMENT"
	[ -z "${HOOK_BEGINS-}" ] || backup_begins "$HOOK_BEGINS" || return 126
	[ -z "${HOOK_UNTIL-}" ] || hook_in_time "$hook_task_" || return 126
	WHY=task-failed
	# What it leaves running keeps no lock of ours.
	(cd / && exec 6>&- && run_limited "$hook_seconds_" "$hook_log_" env -i "$@" "$hook_dir_/$hook_file_") || {
		hook_status_=$?
		[ "$hook_status_" -ne 124 ] || WHY=task-timeout
		EVIDENCE="exit $hook_status_: $(tail -c 3000 "$hook_log_" 2>/dev/null || :)"
		return "$hook_status_"
	}
}

hook_alone() { # NAME SECONDS: wait for its do, or undo, of this run that is still at work: who lost sight of this host takes back what it may not have ended
	hook_locks_=$T_DIR/tasks/$(task_option trial-run "$T_RUN")
	make_dir "$hook_locks_"
	hook_target_=$(task_option target || :)
	exec 6>>"$hook_locks_/.$1${hook_target_:+.$hook_target_}.lock"
	# It is ended after its own seconds, and 5 more.
	lock_wait 6 "$(($2 + 15))" || fail 75 task-busy "task $1 is still at work"
}

hook_task() { # NAME do|undo SECONDS: a whole task of it; ends the task on failure, prints the last output lines otherwise
	hook_output_=$(mktemp "$T_DIR/.hook.XXXXXX") || fail 73 cannot-create "cannot create a log in $T_DIR"
	if hook_run "$1" "$2" "$3" "$hook_output_"; then
		tail -n 20 "$hook_output_" | tail -c 3000
		rm -f "$hook_output_"
		return 0
	fi
	rm -f "$hook_output_"
	case $WHY in
		task-failed | task-timeout) fail 71 "$WHY" "$1 $2: $EVIDENCE" ;;
		deadline-passed) fail 66 "$WHY" "$EVIDENCE" ;;
		*) fail 69 "$WHY" "$EVIDENCE" ;;
	esac
}

hook_can_dry_run() { # NAME: end the task when only saying what it would do was asked, and the contract does not say that it can
	[ "$(task_option dry-run no)" = no ] || [ "$(kv_get "$CONTRACT" "task.$1.dry-run" || :)" = yes ] ||
		fail 69 no-dry-run "task $1 would change things: its contract does not say dryRun"
}

hook_trusted() { # end the task when today's keys do not stand behind a contract that this host never committed to; what it committed to it must be able to end
	[ "$(kv_get "$T_DIR/committed" version || :)" != "$T_VERSION" ] || return 0
	hook_proof_=$(mktemp -d "$T_DIR/.check.XXXXXX") || fail 73 cannot-create "cannot create a directory in $T_DIR"
	trap 'remove_tree "$hook_proof_"' EXIT
	check_contract "$hook_proof_"
	remove_tree "$hook_proof_"
	trap - EXIT
}

task_hook_do() { # run task NAME's do
	load_contract "$T_COMPONENT" "$T_VERSION"
	hook_name_=$(task_option name) || fail 64 bad-request "hook needs name="
	is_task_name "$hook_name_" || fail 64 bad-request "not a task name"
	hook_can_dry_run "$hook_name_"
	hook_trusted
	contract_value "task.$hook_name_.seconds" 300
	hook_seconds_=$VALUE
	hook_alone "$hook_name_" "$hook_seconds_"
	still_wanted
	[ "$(task_option dry-run no)" != no ] || HOOK_BEGINS=$hook_name_${hook_target_:+.$hook_target_}
	hook_until_way_back
	hook_anew || fail 74 cannot-write "cannot write below $hook_locks_"
	hook_task "$hook_name_" "do" "$hook_seconds_"
}

hook_anew() { # what the task SDK kept, and had done once, before the task's undo was done is of a moment that is over: the undo may be an executable that does not know the SDK
	[ -n "${HOOK_BEGINS-}" ] || return 0
	anew_mark_=$hook_locks_/.$HOOK_BEGINS
	anew_state_=$hook_locks_/$HOOK_BEGINS
	if [ ! -f "$anew_mark_.undone" ]; then
		[ -f "$anew_mark_.stands" ] || (write_file "$anew_mark_.stands" "in $T_RUN") 2>/dev/null
		return
	fi
	for anew_kept_ in edits units once/do; do
		remove_tree "$anew_state_/.gone" || return 1
		[ ! -d "$anew_state_/$anew_kept_" ] || mv -T "$anew_state_/$anew_kept_" "$anew_state_/.gone" && remove_tree "$anew_state_/.gone" || return 1
	done
	mv -T "$anew_mark_.undone" "$anew_mark_.stands" && sync_dir "$hook_locks_"
}

hook_undone() { # NAME: its undo was done. A rename, which a full disk does not keep from
	backup_unbegun "$1"
	[ ! -f "$hook_locks_/.$1.stands" ] || mv -T "$hook_locks_/.$1.stands" "$hook_locks_/.$1.undone" && sync_dir "$hook_locks_" || :
}

hook_until_way_back() { # hook_seconds_ end before the trial of this run goes back by itself: what is still at work then would change data that has been put back. What comes after a switch does not begin where that has happened
	[ -n "${HOOK_BEGINS-}" ] && trial_value "$T_COMPONENT" run && [ "$VALUE" = "$(trial_run_option)" ] || return 0
	find_trial_state "$T_COMPONENT"
	case $TRIAL_STATE in
		armed) trial_value "$T_COMPONENT" deadline || return 0 ;;
		confirmed)
			kv_value "$CONTRACT" probation.at-end && [ "$VALUE" = revert ] || return 0
			kv_value "$(trial_dir "$T_COMPONENT")/confirmed/probation" deadline || return 0
			;;
		reverting | reverted)
			kv_value "$CONTRACT" "task.$hook_name_.at" || return 0
			case $VALUE:${T_STEP-} in *:by-hand.* | prepare:* | before-switch:*) return 0 ;; esac
			fail 66 reverted "$T_COMPONENT went back before task $hook_name_ began: what it changes is the old version's"
			;;
		*) return 0 ;;
	esac
	HOOK_UNTIL=$VALUE
	hook_in_time "$hook_name_" || fail 66 "$WHY" "$EVIDENCE"
}

hook_in_time() { # NAME: hook_seconds_ end before HOOK_UNTIL (hundredths of a second of uptime), seen from now; 1 with WHY and EVIDENCE when too little is left
	uptime_cs
	hook_left_=$(((HOOK_UNTIL - UPTIME_CS) / 100))
	WHY=deadline-passed EVIDENCE="task $1 does not begin when $T_COMPONENT is about to go back"
	# Who does not end when asked to has a second until he is killed, where the usual five would reach past the deadline.
	[ "$hook_left_" -ge 2 ] || return 1
	[ "$((hook_left_ - 1))" -ge "$hook_seconds_" ] || hook_seconds_=$((hook_left_ - 1))
	[ "$hook_left_" -ge "$((hook_seconds_ + 5))" ] || LIMIT_GRACE=1
}

task_hook_undo() { # run task NAME's undo; a task without one has nothing to undo
	load_contract "$T_COMPONENT" "$T_VERSION"
	hook_name_=$(task_option name) || fail 64 bad-request "hook needs name="
	is_task_name "$hook_name_" || fail 64 bad-request "not a task name"
	contract_value "task.$hook_name_.seconds" 300
	hook_seconds_=$VALUE
	if ! kv_raw "$CONTRACT" "task.$hook_name_.undo"; then
		# What puts its data back comes after this: not under a do that is still at it. One that never began here has no lock, and there may be no room for one.
		hook_target_=$(task_option target || :)
		[ ! -e "$T_DIR/tasks/$(trial_run_option)/.$hook_name_${hook_target_:+.$hook_target_}.lock" ] || hook_alone "$hook_name_" "$hook_seconds_"
		echo "nothing-to-undo"
		return 0
	fi
	hook_can_dry_run "$hook_name_"
	hook_alone "$hook_name_" "$hook_seconds_"
	hook_task "$hook_name_" undo "$hook_seconds_"
	[ "$(task_option dry-run no)" != no ] || hook_undone "$hook_name_${hook_target_:+.$hook_target_}"
}
