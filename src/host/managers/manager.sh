# Who keeps the service of a component running, behind one interface. The contract's key `manager` picks managers/NAME.sh, and each
# has NAME_start, _stop, _restart, _main_pid, _is_active, _condition and _status_evidence. They read CONTRACT, ROOT and T_COMPONENT
# (load_contract and the caller set them). One that fails returns 1 with WHY (a stable word) and EVIDENCE set. What is asked of a manager
# that does not answer is unknown, which is 2: whoever starts or ends a process over the answer must not take that for a no.

manager_name() { # print none, process or systemd
	kv_get "$CONTRACT" manager || echo none
}

find_names() { # set MANAGER and STRATEGY to what manager_name and strategy_name print
	kv_value "$CONTRACT" manager || VALUE=none
	MANAGER=$VALUE
	kv_value "$CONTRACT" switch.strategy || VALUE=none
	STRATEGY=$VALUE
}

manager_is() { # NAME
	kv_value "$CONTRACT" manager || VALUE=none
	[ "$VALUE" = "$1" ]
}

strategy_is() { # NAME
	kv_value "$CONTRACT" switch.strategy || VALUE=none
	[ "$VALUE" = "$1" ]
}

manager_call() { # FUNCTION [ARG…]: the contract's manager does it; anything that the contract cannot name is not run
	manager_function_=$1
	shift
	kv_value "$CONTRACT" manager || VALUE=none
	case $VALUE in
		none) "none_$manager_function_" "$@" ;;
		process) "process_$manager_function_" "$@" ;;
		systemd) "systemd_$manager_function_" "$@" ;;
		*) WHY=unknown-manager EVIDENCE="this host.sh knows the managers none, process and systemd"; return 1 ;;
	esac
}

manager_start() { # start what is not running; returns before it is ready
	manager_call start
}

manager_stop() { # stop it and wait for its end, by force after switch.stop-seconds
	manager_call stop
}

manager_restart() { # stop and start; returns before it is ready
	manager_call restart
}

manager_main_pid() { # print the pid of the live main process, 1 when there is none, 2 when it is unknown; of several masters the newest
	if strategy_is signal; then signal_main_pid; else manager_call main_pid; fi
}

manager_find_main() { # the same, into MAIN_PID, also asked again; 2 with WHY and EVIDENCE
	find_main_rc_=0
	until_answered manager_look_main || find_main_rc_=$?
	[ "$find_main_rc_" -ne 2 ] || manager_unanswered
	return "$find_main_rc_"
}

manager_tell_main() { # print it for evidence, 1 when there is none that is known
	manager_find_main || return 1
	echo "$MAIN_PID"
}

manager_look_main() { # the same, one look
	MAIN_PID=$(manager_main_pid)
}

manager_restart_else() { # after a hand-over that failed with WHY it is started anew, unless what runs is unknown
	[ "${WHY-}" != systemd-silent ] && manager_restart
}

manager_unanswered() { # [WHAT]: set WHY and EVIDENCE
	WHY=systemd-silent
	EVIDENCE="systemd does not say ${1-what runs as $(kv_list "$CONTRACT" unit | head -n 1)}: nothing is started or ended over that; see whether 'systemctl show' answers there"
}

manager_main_is() { # PID: 0 when it is the main process, 2 when that is unknown
	manager_find_main || [ $? -eq 1 ] || return 2
	[ "$MAIN_PID" = "$1" ]
}

manager_is_active() { # 0 when it runs and said that it is ready, 2 when that is unknown
	manager_call is_active
}

until_answered() { # COMMAND…: what it returns; as long as that is 2 for unknown it is called again, for 15 s and what the last call takes
	uptime_cs
	answered_by_=$((UPTIME_CS + 1500))
	while :; do
		uptime_cs # before the look, which may take long: the one that decides begins late enough
		answered_at_=$UPTIME_CS
		answered_rc_=0
		"$@" || answered_rc_=$?
		[ "$answered_rc_" -eq 2 ] && [ "$answered_at_" -lt "$answered_by_" ] || return "$answered_rc_"
		nap
	done
}

manager_find_active() { # whether it is active, yes or no, into ACTIVE, also asked again; 1 with WHY and EVIDENCE when that is unknown
	find_active_rc_=0
	until_answered manager_is_active || find_active_rc_=$?
	case $find_active_rc_ in
		0) ACTIVE=yes ;;
		1) ACTIVE=no ;;
		*)
			manager_unanswered
			return 1
			;;
	esac
}

says_no() { # COMMAND…: 0 when it returns 1, and not 2 for unknown
	if "$@" >/dev/null; then return 1; else [ $? -eq 1 ]; fi
}

manager_condition() { # print ready, pending or failed
	manager_call condition
}

manager_status_evidence() { # print what an operator would ask for first: status and the last log lines
	manager_call status_evidence 2>&1 || :
}

process_born() { # PID: print its start time in clock ticks since boot; 1 when it does not live (a zombie does not)
	find_born "$1" && echo "$BORN"
}

find_born() { # PID: the same, into BORN
	BORN=
	case $1 in '' | *[!0-9]*) return 1 ;; esac
	find_stat "$1" || return 1
	# shellcheck disable=SC2086 # these fields are words
	set -- $STAT_FIELDS
	[ $# -ge 20 ] || return 1
	case $1 in Z | X) return 1 ;; esac
	BORN=${20}
}

find_stat() { # PID: what the kernel tells of it after its name, its state first, into STAT_FIELDS; 1 when it is gone. Names are anybody's and may hold line ends; no field does, so they are in the last line
	STAT_FIELDS=
	{ while read -r stat_line_; do STAT_FIELDS=$stat_line_; done <"/proc/$1/stat"; } 2>/dev/null || return 1
	STAT_FIELDS=${STAT_FIELDS##*) }
	[ -n "$STAT_FIELDS" ]
}

same_process() { # PID BORN: 0 while that very process lives; a reused pid is another one
	same_born_=$2
	find_born "$1" || BORN=
	[ "$BORN" = "$same_born_" ]
}

clock_tick() { # print the kernel's ticks since boot, the unit of process start times
	tick_hz_=$(getconf CLK_TCK 2>/dev/null) || tick_hz_=100
	uptime_cs
	echo "$((UPTIME_CS * tick_hz_ / 100))"
}

end_process() { # PID BORN SIGNAL SECONDS: ask it to end, wait, then KILL; returns when it is gone, or 10 s after a KILL that the kernel holds up
	same_process "$1" "$2" || return 0
	kill -s "$3" "$1" 2>/dev/null || :
	uptime_cs
	end_by_=$((UPTIME_CS + $4 * 100))
	end_forced_=
	while same_process "$1" "$2"; do
		uptime_cs
		if [ "$UPTIME_CS" -ge "$end_by_" ]; then
			[ -z "$end_forced_" ] || return 0
			end_forced_=yes
			end_note_killed "$1" "$4"
			kill -s KILL "$1" 2>/dev/null || :
			end_by_=$((UPTIME_CS + 1000))
		fi
		nap
	done
}

end_note_killed() { # PID SECONDS: what it was at work on is cut; the evidence of the switch says so
	[ -d "${TRIAL-}" ] || return 0
	! grep -qxF "killed=$1 after $2 s" "$TRIAL/killed" 2>/dev/null || return 0
	echo "killed=$1 after $2 s" >>"$TRIAL/killed" 2>/dev/null || :
}

end_note_workers() { # PID BORN WORKERS: whom it would leave, lines of `pid born`, before it is asked to end
	[ -z "$3" ] || [ ! -d "${TRIAL-}" ] || printf '%s\n' "$3" >"$TRIAL/workers.$1.$2" 2>/dev/null || :
}

end_workers() { # WORKERS: of one that had to be killed; they would accept for ever
	while read -r end_worker_ end_worker_born_; do
		[ -z "$end_worker_" ] || end_process "$end_worker_" "$end_worker_born_" TERM 1
	done <<-END
		$1
	END
}

end_orphans() { # what was interrupted between the end of one that it had to kill and that of its workers is done
	for orphans_file_ in "${TRIAL:-/none}"/workers.*; do
		[ -f "$orphans_file_" ] || continue
		orphans_of_=${orphans_file_##*/workers.}
		! same_process "${orphans_of_%.*}" "${orphans_of_#*.}" && grep -q "^killed=${orphans_of_%.*} after " "$TRIAL/killed" 2>/dev/null || continue
		end_workers "$(cat "$orphans_file_")"
	done
}

end_since() { # WORD: print the second of the clock at which that part of the trial began, also when it was interrupted since
	[ -s "$TRIAL/since-$1" ] || date +%s >"$TRIAL/since-$1" 2>/dev/null || :
	cat "$TRIAL/since-$1" 2>/dev/null || date +%s
}

end_told() { # print how many of TRIAL/killed the evidence of the switch tells already
	grep -o ' killed=' "$TRIAL/switched" 2>/dev/null | wc -l
}

end_killed() { # [SINCE]: print, with a blank before each, what was killed in this trial and no evidence tells yet: by us, or since that second of the clock by systemd. The notes stay: who is interrupted before its evidence is written tells them again
	[ -z "${1-}" ] || ! manager_is systemd || systemd_note_killed "$1"
	[ -f "$TRIAL/killed" ] || return 0
	tail -n "+$(($(end_told) + 1))" "$TRIAL/killed" | while read -r killed_; do printf ' %s' "$killed_"; done
}

manager_facts() { # COMPONENT VERSION: print `active yes|no` and `pid N`; runs after load_contract
	# A systemd that executes itself anew answers a moment later.
	if manager_is_active || { [ $? -eq 2 ] && nap 1 && manager_is_active; }; then echo "active yes"; else echo "active no"; fi
	facts_pid_=$(manager_main_pid) || return 0
	echo "pid $facts_pid_"
}

contract_number() { # KEY DEFAULT: print a number of the contract
	contract_value "$1" "$2"
	echo "$VALUE"
}

contract_value() { # KEY DEFAULT: the same, into VALUE
	kv_value "$CONTRACT" "$1" || VALUE=$2
}

children_alone() { # use in a subshell that becomes a daemon: no lock, channel or session may stay open in it
	exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
}
