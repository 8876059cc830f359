# What keeps the service running is another between two versions: a unit is renamed, becomes a template or stops being one, comes or goes,
# or the manager is another one. No socket and no process can be handed over from one unit to another, so only strategies that stop the
# old version first bring that, and the others refuse it. Boots start what is enabled: with the confirmation that goes from the
# units that are named no more to those that are named now, and on the way back the other way.

units_only() { # CONTRACT OTHER: print the units and sockets that only the first one names, a template as its two instances
	[ "$(kv_get "$1" manager || echo none)" = systemd ] || return 0
	only_other_=
	[ "$(kv_get "$2" manager || echo none)" != systemd ] || only_other_=" $(kv_list "$2" unit && kv_list "$2" switch.socket) "
	only_other_=$(printf '%s' "$only_other_" | tr '\n' ' ')
	for only_unit_ in $(kv_list "$1" unit && kv_list "$1" switch.socket); do
		case $only_other_ in *" $only_unit_ "*) continue ;; esac
		case $only_unit_ in
			*@.service) echo "${only_unit_%.service}a.service ${only_unit_%.service}b.service" ;;
			*) echo "$only_unit_" ;;
		esac
	done
}

units_contract() { # VERSION: set UNITS_CONTRACT to what that version of T_COMPONENT was signed as; 1 when there is none
	UNITS_CONTRACT=$STATE/components/$T_COMPONENT/releases/$1/release
	[ -n "$1" ] && [ -f "$UNITS_CONTRACT" ]
}

units_problem() { # FROM: print why the contract's strategy cannot bring its units in the place of those of that version; nothing when it can
	units_contract "$1" || return 0
	! strategy_stops || return 0
	problem_was_=$(kv_get "$UNITS_CONTRACT" manager || echo none)
	problem_gone_=$(units_only "$UNITS_CONTRACT" "$CONTRACT" | tr '\n' ' ')
	problem_new_=$(units_only "$CONTRACT" "$UNITS_CONTRACT" | tr '\n' ' ')
	# Behind sockets that stay, any service may be new.
	[ "$(strategy_name)" != socket ] || problem_new_=
	if [ "$problem_was_" != none ] && [ "$problem_was_" != "$(manager_name)" ]; then
		set -- "$1" "manager $problem_was_ becomes $(manager_name)"
	elif [ "$problem_was_" = systemd ] && [ -n "$problem_gone_$problem_new_" ]; then
		set -- "$1" "its units are not those of $1 (only there: ${problem_gone_:-none }, only now: ${problem_new_:-none })"
	elif [ "$(strategy_name)" != socket ] && [ "$(kv_list "$UNITS_CONTRACT" unit | head -n 1)" != "$(kv_list "$CONTRACT" unit | head -n 1)" ] && [ "$problem_was_" = systemd ]; then
		set -- "$1" "its first unit is not that of $1"
	else
		return 0
	fi
	echo "strategy $(strategy_name) cannot hand over from $1 to $T_VERSION: $2, and what $1 runs would run on. Publish a version with just this change and strategy restart, release that, and go on with strategy $(strategy_name) after it"
}

units_main_pid() { # VERSION: print the main pid of what keeps that version running; 1 when there is none
	(units_contract "$1" && CONTRACT=$UNITS_CONTRACT && manager_main_pid)
}

units_stop() { # VERSION: what keeps that version running and the contract does not name ends; 1 with WHY and EVIDENCE. With the same units: nothing
	units_contract "$1" || return 0
	stop_was_=$(kv_get "$UNITS_CONTRACT" manager || echo none)
	if [ "$stop_was_" = process ] && [ "$(manager_name)" != process ]; then
		stop_contract_=$CONTRACT
		CONTRACT=$UNITS_CONTRACT
		manager_stop && stop_said_=0 || stop_said_=1
		CONTRACT=$stop_contract_
		return "$stop_said_"
	fi
	# shellcheck disable=SC2046 # unit names have no blanks
	set -- $(units_only "$UNITS_CONTRACT" "$CONTRACT")
	[ $# -eq 0 ] || systemd_call stop "$@"
}

units_follow() { # COMING GOING: where boots start units that only the second contract names, they start those of the first one from now on; 1 with WHY and EVIDENCE
	[ "$MODE" = system ] || return 0
	follow_on_=
	for follow_unit_ in $(units_only "$2" "$1"); do
		[ "$(systemd_ask is-enabled "$follow_unit_" || :)" != enabled ] || follow_on_="$follow_on_ $follow_unit_"
	done
	[ -n "$follow_on_" ] || return 0
	for follow_unit_ in $(units_only "$1" "$2"); do
		# Of two instances the first one is for boots.
		case $follow_unit_ in *@b.service) ! kv_list "$1" unit | grep -qxF "${follow_unit_%b.service}.service" || continue ;; esac
		[ "$(systemd_ask is-enabled "$follow_unit_" || :)" != disabled ] || systemd_call enable "$follow_unit_" || return 1
	done
	# shellcheck disable=SC2086
	systemd_call disable $follow_on_
}

units_confirmed() { # the trial of T_COMPONENT is confirmed: boots start its units. Again: done; 1 with WHY and EVIDENCE
	units_contract "$(trial_get "$T_COMPONENT" from || :)" || return 0
	[ -n "$(units_only "$UNITS_CONTRACT" "$CONTRACT")" ] || return 0
	WHY=cannot-write EVIDENCE="cannot write the trial of $T_COMPONENT"
	echo "units of $T_VERSION" | atomic_write "$(trial_dir "$T_COMPONENT")/confirmed/followed" || return 1
	units_follow "$CONTRACT" "$UNITS_CONTRACT"
}

units_back() { # the way back, with the contract that it leads to: what only TO names ends, and boots start what they started before; 1 with WHY and EVIDENCE
	if [ -z "${GUARD-}" ] || ! has_systemd; then units_stop "$TO" || return 1; fi
	units_contract "$TO" && [ -f "$TRIAL/followed" ] || return 0
	units_follow "$CONTRACT" "$UNITS_CONTRACT" || return 1
	[ -n "${GUARD-}" ] || return 0
	# This boot was planned with what was enabled till now.
	# shellcheck disable=SC2046
	systemd_call stop --no-block $(units_only "$UNITS_CONTRACT" "$CONTRACT") && systemd_call start --no-block $(systemd_units)
}
