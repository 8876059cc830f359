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
