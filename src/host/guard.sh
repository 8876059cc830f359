# The boot guard: what nobody watched while the host was down is taken back before services start (P8).

word_guard() { # at boot, or by hand: take back every trial whose deadline nobody watches any more, and bring back what was drained for it; each component by itself
	GUARD=1
	guard_failed_=0
	for guard_path_ in "$STATE"/components/*/; do
		guard_path_=${guard_path_%/}
		is_component "${guard_path_##*/}" || continue
		(guard_component "${guard_path_##*/}") || guard_failed_=71
		(undrain_or_later "${guard_path_##*/}") || guard_failed_=71
	done
	return "$guard_failed_"
}

guard_later() { # COMPONENT: what the guard could not take back is tried again without holding the boot up; 1, for it failed now
	trial_watched "$1" revert || trial_watch "$1" revert 0 || :
	return 1
}

guard_component() { # COMPONENT: what word_guard does for one
	boot_id
	trial_recover "$1"
	find_trial_state "$1"
	guard_state_=$TRIAL_STATE
	guard_reason_=boot
	case $guard_state_ in
		armed)
			uptime_cs
			if [ "$(trial_get "$1" boot-id)" = "$BOOT_ID" ]; then
				guard_rc_=0
				trial_watched "$1" revert || guard_rc_=$?
				if [ "$guard_rc_" -ne 1 ]; then # watched, or systemd does not say
					[ "$UPTIME_CS" -ge "$(trial_get "$1" deadline)" ] || return "$guard_rc_"
					guard_reason_=deadline
				fi
			fi
			revert_with_retries "$1" "$guard_reason_" armed || guard_later "$1"
			;;
		reverting) revert_with_retries "$1" boot armed || guard_later "$1" ;;
		confirmed)
			[ -f "$STATE/components/$1/trial/confirmed/probation" ] || return 0
			if [ "$(kv_get "$STATE/components/$1/trial/confirmed/trial" boot-id)" = "$BOOT_ID" ]; then
				guard_rc_=0
				trial_watched "$1" probation || guard_rc_=$?
				[ "$guard_rc_" -eq 1 ] || return "$guard_rc_"
			fi
			# How long the host was away is not known: the probation starts again. If it cannot be watched, it is over.
			load_contract "$1" "$(trial_get "$1" to)"
			probation_start "$1" confirmed || revert_with_retries "$1" boot confirmed
			;;
	esac
}
