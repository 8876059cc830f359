# Manager `systemd`: the contract's units. Jobs are queued without waiting and then watched, so that a unit that hangs before READY
# (F16) neither blocks the host's decision nor outlives its deadline. reset-failed comes before every start: the start limit (5 in
# 10 s) would refuse it and drop a socket's listener (F15).

systemd_units() { # [service|both]: print the contract's units, one a line; with `service` those that are no sockets; of a template (reuseport) the instance that serves, with `both` also one that was started beside it and did not end well
	for units_name_ in $(kv_list "$CONTRACT" unit); do
		case $units_name_ in
			*@.service) systemd_serving "${units_name_%.service}" "${1-}" || : ;;
			*.socket) [ "${1-}" = service ] || echo "$units_name_" ;;
			*) echo "$units_name_" ;;
		esac
	done
}

systemd_instances() { # print both instances of the contract's template unit; nothing when it has none
	for instances_name_ in $(kv_list "$CONTRACT" unit); do
		case $instances_name_ in *@.service) echo "${instances_name_%.service}a.service ${instances_name_%.service}b.service" ;; esac
	done
}

systemd_serving() { # NAME@ [both]: print its instance (a or b) that serves: the one that became active last; when none is, the one that starts, or a; with `both` then the other one, when it was started later and did not end well. Nothing, and 1, when systemd does not answer: a guess would stop the one that serves
	serving_said_=$(systemd_ask show -p Id -p ActiveState -p ActiveEnterTimestampMonotonic -p InactiveExitTimestampMonotonic "$1a.service" "$1b.service") && [ -n "$serving_said_" ] || return 1
	printf '%s\n' "$serving_said_" | awk -v a="$1a.service" -v b="$1b.service" -v wanted="${2-}" '
		function take() {
			rank = state == "active" || state == "reloading" || state == "refreshing" ? since + 1 : state == "activating" ? 0.5 : 0
			if (id != "" && rank > best) { best = rank; first = id }
			states[id] = state
			starts[id] = started + 0
			id = ""
		}
		BEGIN { first = a }
		$0 == "" { take(); next }
		{ value = substr($0, index($0, "=") + 1) }
		/^Id=/ { id = value }
		/^ActiveState=/ { state = value }
		/^ActiveEnterTimestampMonotonic=/ { since = value }
		/^InactiveExitTimestampMonotonic=/ { started = value }
		END {
			take()
			print first
			other = first == a ? b : a
			if (wanted == "both" && states[other] != "inactive" && starts[other] > starts[first]) print other
		}'
}

systemd_call() { # VERB UNITS…: systemctl with a bound, without our locks; WHY and EVIDENCE when it refuses
	systemd_said_=$(timeout -k 2 20 systemctl --no-ask-password "$@" </dev/null 2>&1 3>&- 7>&- 8>&- 9>&- 6>&-) && return 0
	WHY=systemctl-failed
	EVIDENCE="systemctl $*: $systemd_said_"
	return 1
}

systemd_ask() { # VERB…: the same for questions whose answer is on stdout: one that is not answered must not hold up a way back for long (P8)
	timeout -k 2 10 systemctl "$@" </dev/null 2>/dev/null 3>&- 6>&- 7>&- 8>&- 9>&-
}

systemd_answer() { # VERB…: the same, a whole answer or none; 2 when it is not answered
	answer_said_=$(systemd_ask "$@") || return 2
	printf '%s\n' "$answer_said_"
}

systemd_boots() { # UNIT: print what is-enabled says of it, nothing when it has no file; 2 when systemd does not answer
	boots_said_=$(systemd_ask is-enabled "$1" || :)
	# There is no file, or no answer.
	[ -n "$boots_said_" ] || [ "$(systemd_ask show -p LoadState --value "$1" || :)" = not-found ] || return 2
	printf '%s\n' "$boots_said_"
}

systemd_invocations() { # UNITS…: print what tells one start of the units from the next; 2 when systemd does not answer
	systemd_answer show -p InvocationID --value "$@"
}

systemd_queue() { # VERB UNITS…: reset-failed and queue the job; remembers the invocations before it
	queue_verb_=$1
	shift
	[ $# -gt 0 ] || { WHY=no-units EVIDENCE="the contract names no unit to $queue_verb_"; return 1; }
	systemd_ask reset-failed "$@" >/dev/null || :
	SYSTEMD_WATCHED=$*
	SYSTEMD_BEFORE=
	[ "$queue_verb_" != restart ] || SYSTEMD_BEFORE=$(until_answered systemd_invocations "$@") || {
		manager_unanswered
		return 1
	}
	systemd_call "$queue_verb_" --no-block "$@" || return 1
	rm -f "${TRIAL:-/none}"/group.* # what is started anew may be in another one
}

systemd_start() { # queue the start of all units
	systemd_queue_units start
}

systemd_restart() { # queue a restart of the service units
	systemd_queue_units restart service
}

systemd_queue_units() { # VERB [service]: queue that job for them
	UNITS=
	until_answered systemd_find_units "${2-}" || [ $? -eq 1 ] || {
		manager_unanswered
		return 1
	}
	# shellcheck disable=SC2086 # unit names have no blanks
	systemd_queue "$1" $UNITS
}

systemd_find_units() { # [service]: what systemd_units prints, into UNITS; 1 when that is nothing, 2 when systemd does not say which instance serves
	UNITS=$(systemd_units "${1-}" | tr '\n' ' ')
	find_units_of_=$(systemd_instances)
	if [ -n "$find_units_of_" ]; then
		# The template is the first one of the contract.
		case " $find_units_of_ " in *" ${UNITS%% *} "*) ;; *) return 2 ;; esac
	fi
	[ -n "$UNITS" ]
}

systemd_stop() { # stop all units and wait
	# shellcheck disable=SC2046
	systemd_call stop $(systemd_units) $(systemd_instances)
}

systemd_live() { # UNITS…: print those that have not ended, or of which systemd does not say so
	for live_unit_ in "$@"; do
		case $(systemd_ask show -p ActiveState --value "$live_unit_" || :) in inactive | failed) ;; *) echo "$live_unit_" ;; esac
	done
}

systemd_end() { # SECONDS UNITS…: stop these units and wait, by force after SECONDS and some more for systemd's own; 1 with WHY and EVIDENCE when they stay even so
	halt_seconds_=$1
	shift
	# shellcheck disable=SC2046 # unit names have no blanks
	set -- $(systemd_live "$@")
	[ $# -gt 0 ] || return 0
	systemd_call stop --no-block "$@" || return 1
	uptime_cs
	halt_by_=$((UPTIME_CS + halt_seconds_ * 100 + 300))
	halt_forced_=
	while :; do
		# shellcheck disable=SC2046
		set -- $(systemd_live "$@")
		[ $# -gt 0 ] || return 0
		uptime_cs
		if [ "$UPTIME_CS" -ge "$halt_by_" ]; then
			WHY=does-not-end EVIDENCE="$* does not end, also when killed"
			[ -z "$halt_forced_" ] || return 1
			halt_forced_=yes
			for halt_unit_ in "$@"; do end_note_killed "$halt_unit_" "$halt_seconds_"; done
			systemd_call kill --signal=KILL "$@" || :
			halt_by_=$((UPTIME_CS + 1000))
		fi
		nap
	done
}

systemd_first() { # the first unit that is no socket, into FIRST_UNIT; 1 when there is none, 2 when systemd does not say which instance serves
	systemd_find_units service || return
	FIRST_UNIT=${UNITS%% *}
}

systemd_main_pid() { # print MainPID of the first unit; 1 when it has none, 2 when systemd does not answer
	systemd_first || return
	main_pid_=$(systemd_ask show -p MainPID --value "$FIRST_UNIT") || return 2
	[ "${main_pid_:-0}" -gt 0 ] 2>/dev/null || return 1
	find_born "$main_pid_" || return 1 # one that is not its child may have ended without its notice
	echo "$main_pid_"
}

systemd_group() { # the control group of the first unit, into GROUP; 1 when it has none, 2 when systemd does not answer. It is the same as long as the unit is not started anew (or it is in another slice then, which costs a cold start more), so a trial remembers it, and goes on and back without an answer
	systemd_first || return
	group_file_=${TRIAL:-/none}/group.$FIRST_UNIT
	GROUP=
	{ read -r GROUP <"$group_file_"; } 2>/dev/null || :
	[ -z "$GROUP" ] || return 0
	GROUP=$(systemd_ask show -p ControlGroup --value "$FIRST_UNIT") || return 2
	[ -n "$GROUP" ] || return 1
	[ ! -f "${TRIAL:-/none}/trial" ] || printf '%s\n' "$GROUP" | atomic_write "$group_file_" 2>/dev/null || :
}

systemd_owns() { # PID: it is in the control group of the first unit, where nobody but systemd and root puts a process; 2 when systemd does not say which that is
	systemd_group || return
	# Paths are relative to the control group that systemd itself lives in (containers). -v would read the \x2d in the name of a slice as a character.
	GROUP=$GROUP awk '
		BEGIN { group = ENVIRON["GROUP"] }
		{ at = index($0, ":"); at += index(substr($0, at + 1), ":"); of = substr($0, 1, at); path = substr($0, at + 1) }
		NR == FNR { if (sub(/\/init\.scope$/, "", path)) root[of] = path; next }
		of in root && (path == root[of] group || index(path, root[of] group "/") == 1) { found = 1 }
		END { exit !found }' /proc/1/cgroup "/proc/$1/cgroup" 2>/dev/null || return 1
}

systemd_is_active() { # every unit active; 1 when one is not, 2 when systemd does not answer
	systemd_find_units || return
	# shellcheck disable=SC2086
	systemd_all_active $UNITS
}

systemd_all_active() { # UNIT…: the same of these
	active_said_=$(systemd_ask show -p ActiveState --value "$@") && [ -n "$active_said_" ] || return 2
	! printf '%s\n' "$active_said_" | grep -qvx -e active -e reloading -e refreshing -e ''
}

systemd_condition() { # print ready when every watched unit is active, no job is queued and a restart was a new start; failed when one is failed
	UNITS=${SYSTEMD_WATCHED-}
	[ -n "$UNITS" ] || systemd_find_units || [ $? -eq 1 ] || { echo pending; return 0; }
	# shellcheck disable=SC2086
	set -- $UNITS
	condition_=$(systemd_ask show -p ActiveState -p Job "$@") || { echo pending; return 0; }
	case $condition_ in
		*Job=[1-9]*) echo pending ;;
		*ActiveState=failed*) echo failed ;;
		*ActiveState=activating* | *ActiveState=inactive* | *ActiveState=deactivating* | *ActiveState=reloading* | *ActiveState=refreshing*) echo pending ;;
		*)
			if [ -n "${SYSTEMD_BEFORE-}" ] && { ! condition_now_=$(systemd_invocations "$@") || [ "$SYSTEMD_BEFORE" = "$condition_now_" ]; }; then
				echo pending
			else
				echo ready
			fi
			;;
	esac
}

systemd_note_killed() { # SINCE: units that systemd says ended by its own KILL, because they took longer than TimeoutStopSec
	for killed_unit_ in $(systemd_units service); do
		[ -n "$(timeout -k 1 5 journalctl --no-pager -q -o cat -n 1 -b "--since=@$1" UNIT="$killed_unit_" UNIT_RESULT=timeout </dev/null 2>/dev/null)" ] || continue
		[ -d "${TRIAL-}" ] || continue
		# Noted, and interrupted before it was told.
		! tail -n "+$(($(end_told) + 1))" "$TRIAL/killed" 2>/dev/null | grep -qxF "killed=$killed_unit_ after TimeoutStopSec" || continue
		echo "killed=$killed_unit_ after TimeoutStopSec" >>"$TRIAL/killed" 2>/dev/null || :
	done
}

systemd_status_evidence() { # state of each unit and its last log lines; in a trial those since its switch began: those of the version before only when there are none, and marked
	evidence_since_=
	for evidence_trial_ in armed confirmed reverting; do
		{ read -r evidence_since_ <"$(trial_dir "$T_COMPONENT")/$evidence_trial_/since-switch"; } 2>/dev/null || continue
		break
	done
	is_number "$evidence_since_" || evidence_since_=
	evidence_silent_=
	for evidence_unit_ in $(systemd_units both); do
		systemd_ask show -p Id,ActiveState,SubState,Result,ExecMainStatus,NRestarts,MainPID "$evidence_unit_" | tr '\n' ' '
		echo
		# One log for all units, and a way back may wait for this (P8).
		[ -n "$evidence_silent_" ] || systemd_unit_log "$evidence_unit_" || {
			evidence_silent_=yes
			echo "its log does not answer"
		}
	done
}

systemd_unit_log() { # UNIT: print its lines for systemd_status_evidence; 1 when the log does not answer in time
	log_silent_=0
	systemd_log "$1" ${evidence_since_:+"--since=@$evidence_since_"} || log_silent_=1
	# The new version said nothing, or the clock was set back since: rather lines of before than none.
	if [ "$log_silent_" -eq 0 ] && [ -z "$LOG_LINES" ] && [ -n "$evidence_since_" ]; then
		systemd_log "$1" || log_silent_=1
		[ -z "$LOG_LINES" ] || echo "nothing logged since the switch, by this host's clock; before it:"
	fi
	[ -z "$LOG_LINES" ] || printf '%s\n' "$LOG_LINES"
	return "$log_silent_"
}

systemd_log() { # UNIT [OPTION…]: its last log lines, into LOG_LINES; 1 when the log does not answer in time
	log_unit_=$1
	shift
	log_rc_=0
	# A shell may complain about NUL bytes in what a unit said.
	# Newest first: with --since, journalctl of systemd 252 takes the first lines since then for -n, and what was said last is what counts.
	{ LOG_LINES=$(timeout -k 1 5 journalctl --no-pager -q -o cat -r -n 15 "$@" -u "$log_unit_" </dev/null 2>/dev/null) || log_rc_=$?; } 2>/dev/null
	LOG_LINES=$(printf '%s\n' "$LOG_LINES" | sed -n '1!G;h;$p')
	[ "${#LOG_LINES}" -le 1500 ] || LOG_LINES=$(printf '%s\n' "$LOG_LINES" | tail -c 1500)
	# What timeout says depends on whose it is.
	case $log_rc_ in 124 | 137 | 143) return 1 ;; esac
}
