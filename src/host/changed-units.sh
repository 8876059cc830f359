# What keeps the service running is another between two versions: a unit is renamed, becomes a template or stops being one, comes or goes,
# or the manager is another one. No socket and no process can be handed over from one unit to another, so only strategies that stop the
# old version first bring that, and the others refuse it. Boots start what is enabled: with the confirmation that goes from the
# units that are named no more to those that take their place, and on the way back the other way. components/<c>/boots names the
# units that we turned off so, also after the commit: a version that names them again has them started at boots again.

units_only() { # CONTRACT OTHER: print the units and sockets that only the first one names, a template as its two instances
	kv_value "$1" manager && [ "$VALUE" = systemd ] || return 0
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
	kv_value "$UNITS_CONTRACT" manager || VALUE=none
	problem_was_=$VALUE
	problem_gone_=
	problem_new_=
	[ "$problem_was_" != systemd ] || problem_gone_=$(units_only "$UNITS_CONTRACT" "$CONTRACT" | tr '\n' ' ')
	! manager_is systemd || problem_new_=$(units_only "$CONTRACT" "$UNITS_CONTRACT" | tr '\n' ' ')
	# Behind sockets that stay, any service may be new.
	! strategy_is socket || problem_new_=
	if [ "$problem_was_" != none ] && [ "$problem_was_" != "$(manager_name)" ]; then
		set -- "$1" "manager $problem_was_ becomes $(manager_name)"
	elif [ "$problem_was_" = systemd ] && [ -n "$problem_gone_$problem_new_" ]; then
		set -- "$1" "its units are not those of $1 (only there: ${problem_gone_:-none }, only now: ${problem_new_:-none })"
	elif [ "$problem_was_" = systemd ] && ! strategy_is socket && [ "$(kv_list "$UNITS_CONTRACT" unit | head -n 1)" != "$(kv_list "$CONTRACT" unit | head -n 1)" ]; then
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
	kv_value "$UNITS_CONTRACT" manager || VALUE=none
	stop_was_=$VALUE
	if [ "$stop_was_" = process ] && ! manager_is process; then
		stop_contract_=$CONTRACT
		CONTRACT=$UNITS_CONTRACT
		manager_stop && stop_said_=0 || stop_said_=1
		CONTRACT=$stop_contract_
		return "$stop_said_"
	fi
	[ "$stop_was_" = systemd ] || return 0
	# shellcheck disable=SC2046 # unit names have no blanks
	systemd_end "$(kv_get "$UNITS_CONTRACT" switch.stop-seconds || echo 30)" $(units_only "$UNITS_CONTRACT" "$CONTRACT")
}

units_heirs() { # COMING GOING: print `OLD NEW` for what takes the place of units that only GOING names: each its own when as many come as go, else the first one of the first one
	{
		units_only "$2" "$1" | sed 's/^/- /'
		units_only "$1" "$2" | sed 's/^/+ /'
	} | awk -v was="$(kv_list "$2" unit | head -n 1)" -v is="$(kv_list "$1" unit | head -n 1)" '
		function named(name) { sub(/@a\.service$/, "@.service", name); return name }
		function kind(name) { sub(/.*\./, "", name); return name }
		$1 == "-" { old[++go] = $0 }
		$1 == "+" { new[++come] = $2 }
		END {
			for (at = 1; at <= go; at++) {
				words = split(old[at], unit, " ")
				if (go != come && (at > 1 || named(unit[2]) != was || named(new[1]) != is)) break
				if (kind(unit[2]) != kind(new[at])) continue
				for (word = 2; word <= words; word++) print unit[word], new[at]
			}
		}'
}

units_follow() { # COMING GOING [heirs]: boots start no more what only GOING names, and again what only COMING names and we had turned off; with `heirs` also what takes the place of a unit that they started. T_DIR/boots names what we turned off, TRIAL/followed what we turned on as an heir. Again: done; 1 with WHY and EVIDENCE
	[ "$MODE" = system ] || return 0
	follow_off_=" $(tr '\n' ' ' 2>/dev/null <"$T_DIR/boots" || :)"
	follow_heirs_=" $(tr '\n' ' ' 2>/dev/null <"$TRIAL/followed" || :)"
	follow_end_=
	for follow_unit_ in $(units_only "$2" "$1"); do
		follow_boots "$follow_unit_" || return 1
		[ "$BOOTS" = enabled ] || continue
		follow_end_="$follow_end_ $follow_unit_"
		# What this trial had turned on as an heir was off before.
		case $follow_heirs_$follow_off_ in *" $follow_unit_ "*) ;; *) follow_off_="$follow_off_$follow_unit_ " ;; esac
	done
	follow_on_=
	for follow_unit_ in $(units_only "$1" "$2"); do
		case $follow_off_ in *" $follow_unit_ "*) follow_on_="$follow_on_ $follow_unit_" ;; esac
	done
	if [ -n "${3-}" ]; then
		while read -r follow_old_ follow_unit_; do
			case $follow_off_ in *" ${follow_old_:-/} "*) ;; *) continue ;; esac
			case " $follow_on_ $follow_heirs_" in *" $follow_unit_ "*) continue ;; esac
			follow_boots "$follow_unit_" || return 1
			[ "$BOOTS" != disabled ] || follow_heirs_="$follow_heirs_$follow_unit_ "
		done <<-END
			$(units_heirs "$1" "$2")
		END
		units_note "$TRIAL/followed" "$follow_heirs_" || return 1
		follow_on_="$follow_on_ $follow_heirs_"
	fi
	# Known before anything is touched, and as long as not all is done: who is killed here goes on from that.
	units_note "$T_DIR/boots" "$follow_off_" || return 1
	for follow_unit_ in $follow_on_; do
		follow_boots "$follow_unit_" || return 1
		case $BOOTS in disabled | '') systemd_call enable "$follow_unit_" || return 1 ;; esac
	done
	# shellcheck disable=SC2086
	[ -z "$follow_end_" ] || systemd_call disable $follow_end_ || return 1
	follow_left_=
	for follow_unit_ in $follow_off_; do
		case " $follow_on_ " in *" $follow_unit_ "*) ;; *) follow_left_="$follow_left_$follow_unit_ " ;; esac
	done
	units_note "$T_DIR/boots" "$follow_left_"
}

follow_boots() { # UNIT: what is-enabled says of it, into BOOTS; 1 with WHY and EVIDENCE when that is unknown
	BOOTS=$(until_answered systemd_boots "$1") && return 0
	manager_unanswered "whether boots start $1"
	return 1
}

units_note() { # FILE UNITS: the file names them, one a line; 1 with WHY and EVIDENCE
	WHY=cannot-write EVIDENCE="cannot write $1"
	printf '%s' "$2" | tr -s ' ' '\n' | sed '/^$/d' | atomic_write "$1"
}

units_confirmed() { # the trial of T_COMPONENT is confirmed: boots start its units. Again: done; 1 with WHY and EVIDENCE
	units_contract "$(trial_get "$T_COMPONENT" from || :)" || return 0
	[ -n "$(units_only "$UNITS_CONTRACT" "$CONTRACT" && units_only "$CONTRACT" "$UNITS_CONTRACT")" ] || return 0
	# A way back that begins now goes on from what is done here.
	component_lock "$T_COMPONENT" 10 || fail 75 component-busy "somebody else works on $T_COMPONENT"
	trial_is "$T_COMPONENT" confirmed || confirm_lost
	TRIAL=$STATE/components/$T_COMPONENT/trial/confirmed
	units_follow "$CONTRACT" "$UNITS_CONTRACT" heirs
}

units_back() { # the way back, with the contract that it leads to: what only TO names ends, and boots start what they started before; 1 with WHY and EVIDENCE, and UNITS_LIVE when nothing may start beside what runs
	back_units_=0
	if [ -z "${GUARD-}" ] || ! has_systemd; then
		units_stop "$TO" || {
			UNITS_LIVE=yes
			return 1
		}
	fi
	units_contract "$TO" && [ -f "$TRIAL/followed" ] || return "$back_units_"
	units_follow "$CONTRACT" "$UNITS_CONTRACT" || back_units_=1
	[ -n "${GUARD-}" ] && has_systemd || return "$back_units_"
	# This boot was planned with what was enabled till now.
	# shellcheck disable=SC2046
	set -- $(units_only "$UNITS_CONTRACT" "$CONTRACT")
	[ $# -eq 0 ] || systemd_call stop --no-block "$@" || back_units_=1
	# shellcheck disable=SC2046
	set -- $(systemd_units)
	[ $# -eq 0 ] || systemd_call start --no-block "$@" || back_units_=1
	return "$back_units_"
}
