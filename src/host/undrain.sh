# The way back from a drain (drain.sh): by a task, or by this host itself where nobody else would do it.

drain_back() { # the contract loaded: the task is undone, then the service says that it is ready; last of all, so that nobody comes too early
	if ! drain_is_asked; then
		echo "nothing-to-drain"
		return 0
	fi
	if back_name_=$(kv_get "$CONTRACT" drain.task) && kv_raw "$CONTRACT" "task.$back_name_.undo"; then
		hook_task "$back_name_" undo "$(contract_number drain.seconds 60)"
	fi
	kv_value "$CONTRACT" drain.not-ready-file || return 0
	back_file_=$VALUE
	back_file_=$PREFIX$back_file_
	rm -f "$back_file_" || fail 74 cannot-write "cannot remove $back_file_"
	[ ! -d "${back_file_%/*}" ] || sync_dir "${back_file_%/*}"
	echo "in service"
}

task_drain_undo() { # put it back, unless this host did so when it took the trial of that run back by itself. What fails on the way back is tried again without being asked
	T_DIR=$STATE/components/$T_COMPONENT
	if [ "$(kv_get "$T_DIR/undrained" run || :)" = "$T_RUN" ]; then
		echo "back in service already"
		return 0
	fi
	# What its own version's task took out of service, that version's undo brings back, whoever asks for it.
	kv_value "$T_DIR/drained" version || :
	drain_undo_version_=$VALUE
	if [ -n "$drain_undo_version_" ] && [ -f "$T_DIR/releases/$drain_undo_version_/release" ]; then T_VERSION=$drain_undo_version_; fi
	load_contract "$T_COMPONENT" "$T_VERSION"
	(drain_back) || {
		drain_undo_status_=$?
		undrain_later
		exit "$drain_undo_status_"
	}
	rm -f "$T_DIR/drained"
}

undrain_later() { # the run's trial is over, or there was none: nobody else would bring this component back, so the host goes on trying, also after a boot
	[ "$(kv_get "$T_DIR/drained" run || :)" = "$T_RUN" ] || return 0
	case $(trial_state "$T_COMPONENT"):$(trial_get "$T_COMPONENT" run || :) in
		reverted:*) ;;
		*:"$T_RUN") return 0 ;;
	esac
	{
		grep -v '^back ' "$T_DIR/drained"
		kv_line back yes
	} | atomic_write "$T_DIR/drained" || return 0
	undrain_apart "$T_COMPONENT" "$T_RUN"
}

undrain() { # COMPONENT: a run had taken it out of service, and this host took its trial back by itself, was started anew before there was one, or was asked in vain: bring it back, as the controller would. 1 with WHY and EVIDENCE
	undrain_file_=$STATE/components/$1/drained
	kv_value "$undrain_file_" run || return 0
	T_RUN=$VALUE
	case $(trial_state "$1"):$(trial_get "$1" run || :) in
		reverted:"$T_RUN") ;;
		*:"$T_RUN") return 0 ;;
		*)
			boot_id
			[ "$(kv_get "$undrain_file_" boot-id || echo "$BOOT_ID")" != "$BOOT_ID" ] || [ "$(kv_get "$undrain_file_" back || :)" = yes ] || return 0
			;;
	esac
	T_COMPONENT=$1
	kv_value "$undrain_file_" version
	T_VERSION=$VALUE
	[ -f "$STATE/components/$1/releases/$T_VERSION/release" ] || return 0
	load_contract "$1" "$T_VERSION"
	undrain_said_=$( (drain_back) 2>&1) || {
		WHY=still-drained
		EVIDENCE="$undrain_said_"
		return 1
	}
	mv -fT "$undrain_file_" "${undrain_file_%/*}/undrained"
}

undrain_or_later() { # COMPONENT: what a run had taken out of service comes back with the version that serves now; when systemd boots that one is not up yet, so it is asked to do it then
	if ! has_systemd; then
		undrain "$1"
		return
	fi
	kv_value "$STATE/components/$1/drained" run || return 0
	later_run_=$VALUE
	undrain_apart "$1" "$later_run_"
}

undrain_apart() { # COMPONENT RUN: start what calls `undrain`, apart from this process; two of them are one
	if has_systemd; then
		# shellcheck disable=SC2046 # the shell may be two words
		timeout -k 2 20 systemd-run --no-block --quiet --collect --unit="cutover-undrain-$1-$2" --property=After=multi-user.target \
			--setenv=PATH="$PATH" --setenv=LC_ALL=C $(own_shell) "$SELF" "$STATE" undrain "$1" "$2" </dev/null || :
		return 0
	fi
	(
		children_alone
		# shellcheck disable=SC2046
		cd / && exec setsid env -i PATH="$PATH" LC_ALL=C $(own_shell) "$SELF" "$STATE" undrain "$1" "$2"
	) </dev/null >>"$STATE/components/$1/revert.log" 2>&1 &
}

word_undrain() { # COMPONENT RUN: bring back into service what that run had drained; tried for a day, with pauses up to a minute, until another run drains it
	exec 5>>"$STATE/components/$1/undrain.lock"
	flock -n 5 || return 0
	try_=0
	while [ "$try_" -lt 1500 ]; do
		[ "$(kv_get "$STATE/components/$1/drained" run || :)" = "$2" ] || return 0
		if undrain "$1" 5>&-; then return 0; fi
		try_=$((try_ + 1))
		echo "cutover: $1 stays drained, try $try_: $EVIDENCE" >&2
		if [ "$try_" -lt 60 ]; then sleep "$try_"; else sleep 60; fi
	done
	return 1
}
