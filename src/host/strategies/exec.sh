# Strategy `exec`: the running service starts its successor (ROOT/current/<start>) with the listener inherited, and is asked to stop only
# when that one is ready, so no listener closes and no request is dropped (P11). A successor that dies first leaves the old one serving.
# TRIAL/hand-over.VERSION remembers whom we signalled, so that an interrupted hand-over is continued and not doubled.
# A successor inherits its environment from the process that starts it: CUTOVER_VERSION and the contract's `env` are those of the last cold
# start, unless the service itself reads them anew. What may change from version to version belongs into the tree (shop: version.json).
# Strategies takeover and reuseport go the same way; what differs is asked by name here and in successors.sh, and done in their own files.

exec_prepare() { # the running process must know the signal that asks it (most others would end by it) and find what it starts. Nothing runs: a cold start follows
	if manager_find_main; then exec_understands "$MAIN_PID" "$T_VERSION"; else [ $? -eq 1 ]; fi
}

exec_hand_over() { # from what runs to what current names; cold start when nothing runs
	exec_swap "$TO"
}

exec_way_back() { # the same with current pointing back; a first install that goes back stops
	if [ -z "$FROM" ]; then
		exec_end_strays || : # all of it stops
		manager_stop
	else
		exec_back_rc_=0
		exec_keep_old || exec_back_rc_=$?
		case $exec_back_rc_ in
			0) exec_is_fit "$keep_pid_" || exec_swap "$FROM" anew ;;
			2) return 1 ;;
			*) exec_swap "$FROM" anew ;;
		esac
	fi
}

exec_ready() { # print ready, pending or failed
	manager_condition
}

exec_finish() { # an old process that an interrupted hand-over left behind ends
	exec_end_old
}

exec_understands() { # PID VERSION: it handles the signal that asks for its successor, and VERSION has what it was told to start; 1 with WHY and EVIDENCE. Who became the main process just now gets three looks and a second, and who is gone is asked nothing
	kv_value "$CONTRACT" switch.upgrade-signal || VALUE=USR2
	understands_=$VALUE
	uptime_cs
	understands_by_=$((UPTIME_CS + 100))
	understands_looks_=0
	until catches "$1" "$understands_"; do
		find_born "$1" || return 0
		understands_looks_=$((understands_looks_ + 1))
		WHY=cannot-hand-over
		EVIDENCE="the running pid $1 does not handle $understands_, which strategy $(strategy_name) sends it, and would end by it: first release a version that handles it, once with strategy restart"
		uptime_cs
		[ "$understands_looks_" -lt 3 ] || [ "$UPTIME_CS" -lt "$understands_by_" ] || return 1
		nap
	done
	understands_start_=$({ tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null | sed -n 's/^CUTOVER_START=//p' | head -n 1)
	case $understands_start_ in "$ROOT/current/"*) ;; *) return 0 ;; esac
	understands_file_=$ROOT/versions/$2/${understands_start_#"$ROOT/current/"}
	{ [ ! -f "$understands_file_" ] || [ ! -x "$understands_file_" ]; } || return 0
	WHY=cannot-hand-over
	EVIDENCE="the running pid $1 starts its successor as $understands_start_, its CUTOVER_START, which $2 does not have: keep it there, or release once with strategy restart"
	return 1
}

exec_ask() { # VERSION: what runs is asked for its successor (reuseport: one is started beside it); 1 with WHY and EVIDENCE
	if strategy_is reuseport; then
		reuseport_start_beside
		return
	fi
	for ask_child_ in $(cat "/proc/$swap_old_"/task/*/children 2>/dev/null || :); do exec_name "$ask_child_"; done >"$swap_file_.known" 2>/dev/null || :
	kv_value "$CONTRACT" switch.upgrade-signal || VALUE=USR2
	kill -s "$VALUE" "$swap_old_" 2>/dev/null || :
}

exec_stop() { # PID BORN SECONDS: a process of ours finishes and ends, by force after that time
	if strategy_is reuseport && manager_is systemd; then
		reuseport_stop_unit "$1"
	else
		kv_value "$CONTRACT" switch.stop-signal || VALUE=TERM
		end_process "$1" "$2" "$VALUE" "$3"
	fi
}

exec_swap() { # VERSION [anew]: the main process hands over to a new one that runs VERSION, then ends; continues one that was interrupted. One that does not know how serves on, or, with `anew`, makes way for a cold start
	swap_file_=$TRIAL/hand-over.$1
	exec_renew || return 1
	if [ -f "$swap_file_" ]; then
		kv_value "$swap_file_" pid
		swap_old_=$VALUE
		kv_value "$swap_file_" born
		swap_born_=$VALUE
		kv_value "$swap_file_" tick
		swap_tick_=$VALUE
		swap_coming_= # asked before we were killed, and on its way
		if same_process "$swap_old_" "$swap_born_"; then
			swap_coming_=$(until_answered exec_strays) || [ $? -ne 2 ] || {
				manager_unanswered
				return 1
			}
		fi
		# Looked at last: what gets ready between the two looks would be in neither, and be taken for the old one.
		manager_find_main || [ $? -eq 1 ] || return 1
		if [ -n "$MAIN_PID" ] && exec_runs "$MAIN_PID" "$1" "$swap_tick_"; then
			exec_end_old "$swap_file_"
			return
		fi
		if [ -n "$swap_coming_" ]; then
			exec_settle "$1"
			return
		fi
		exec_put_back "$swap_old_" "$swap_born_"
	fi
	exec_end_strays || return 1
	manager_find_main || [ $? -eq 1 ] || return 1
	swap_old_=$MAIN_PID
	if ! swap_born_=$(process_born "$swap_old_"); then
		# Cold: what was started before and never got ready goes first, or it gets ready late and serves beside the version we chose.
		echo cold >"$TRIAL/cold.$1" 2>/dev/null || :
		manager_restart
		return
	fi
	swap_tick_=$(clock_tick)
	{
		kv_line born "$swap_born_"
		kv_line pid "$swap_old_"
		[ ! -f "$TRIAL/restored" ] || kv_line restored yes
		kv_line tick "$swap_tick_"
	} | atomic_write "$swap_file_" || { still_decided || return 1; WHY=cannot-write EVIDENCE="cannot write $swap_file_"; return 1; }
	# Looked at once more: what runs may be another one than at prepare. The file says by now that nobody was asked to stop.
	if ! strategy_is reuseport && ! exec_understands "$swap_old_" "$1"; then
		[ -n "${2-}" ] || return 1
		manager_restart
		return
	fi
	exec_ask || return 1
	exec_settle "$1"
}

exec_renew() { # the hand-over of swap_file_ is over and forgotten where saved data was put back since: who came of it may hold open what was there, and hands over once more
	[ -f "$swap_file_" ] && [ -f "$TRIAL/restored" ] && ! kv_raw "$swap_file_" restored || return 0
	exec_end_strays || return 1
	exec_end_old "$swap_file_" || return 1
	rm -f "$swap_file_" "$swap_file_.seen" "$swap_file_.stopping" "$swap_file_.known"
}

exec_settle() { # VERSION: a successor was asked for: when it is ready the old one ends, when it fails the old one serves on
	if exec_wait "$1"; then
		exec_end_old "$swap_file_"
	else
		swap_why_=$WHY swap_evidence_=$EVIDENCE
		exec_end_strays || swap_why_=$WHY swap_evidence_="$EVIDENCE; $swap_evidence_"
		exec_put_back "$swap_old_" "$swap_born_"
		if same_process "$swap_old_" "$swap_born_"; then swap_evidence_="old pid $swap_old_ still serves; $swap_evidence_"; fi
		WHY=$swap_why_ EVIDENCE=$swap_evidence_
		return 1
	fi
}

exec_wait() { # VERSION: until the main pid is another process that runs VERSION; 1 with WHY and EVIDENCE when it died, hung, or the trial was decided
	contract_value switch.ready-seconds 30
	wait_seconds_=$VALUE
	uptime_cs
	wait_by_=$((UPTIME_CS + wait_seconds_ * 100))
	wait_seen_=
	wait_gone_=0 # looks in a row that found nobody: one that forks just then may hide from a look
	wait_alive_=$UPTIME_CS
	wait_looks_=0 # the same of those that found nobody at all, and on a busy host a single one takes longer than a second
	while :; do
		uptime_cs # before the look: what got ready in it is ready
		wait_at_=$UPTIME_CS
		wait_rc_=0
		wait_pid_=$(manager_main_pid) || wait_rc_=$?
		if [ "$wait_rc_" -eq 0 ] && [ "$wait_pid_" != "$swap_old_" ] && exec_runs "$wait_pid_" "$1" "$swap_tick_"; then return 0; fi
		still_decided || return 1
		wait_strays_rc_=0
		wait_strays_=$(exec_strays) || wait_strays_rc_=$?
		if [ -n "$wait_strays_" ]; then
			wait_seen_=yes
			wait_gone_=0
		elif [ "$wait_strays_rc_" -eq 2 ] || ! { [ -n "$wait_seen_" ] || reuseport_has_failed; } || exec_may_come "$1"; then
			wait_gone_=0
		elif wait_gone_=$((wait_gone_ + 1)) && [ "$wait_gone_" -ge 3 ]; then
			WHY=new-version-died
			EVIDENCE="$1 ended before it was ready; $(manager_status_evidence)"
			return 1
		fi
		uptime_cs
		if strategy_is reuseport || ! exec_none_left "$1"; then
			wait_alive_=$UPTIME_CS
			wait_looks_=0
		elif wait_looks_=$((wait_looks_ + 1)) && [ "$wait_looks_" -ge 3 ] && [ $((UPTIME_CS - wait_alive_)) -ge 100 ]; then
			WHY=new-version-died
			EVIDENCE="pid $swap_old_ ended when it was asked for $1, and nothing that it started is left; $(manager_status_evidence)"
			return 1
		fi
		if [ "$wait_at_" -ge "$wait_by_" ]; then
			[ "$wait_rc_" -ne 2 ] || {
				manager_unanswered
				return 1
			}
			WHY=not-ready
			EVIDENCE="$1 not ready within $wait_seconds_ s; $(manager_status_evidence)"
			return 1
		fi
		nap
	done
}

exec_end_old() { # [FILE]: the process that handed over stops accepting, finishes what it has and ends; KILL after switch.stop-seconds. 1 with WHY and EVIDENCE when it serves again (takeover), or somebody has decided against the trial
	end_file_=${1:-$TRIAL/hand-over.$TO}
	end_orphans
	[ -f "$end_file_" ] || return 0
	kv_value "$end_file_" pid
	end_old_=$VALUE
	kv_value "$end_file_" born
	end_born_=$VALUE
	manager_find_main || [ $? -eq 1 ] || return 1
	[ "$end_old_" != "$MAIN_PID" ] || return 0
	! strategy_is takeover || takeover_wait_end "$end_old_" "$end_born_" || return 1
	exec_note_stopping || return 1
	end_workers_=$(exec_workers "$end_old_")
	end_note_workers "$end_old_" "$end_born_" "$end_workers_"
	end_forced_=
	contract_value switch.stop-seconds 30
	exec_stop "$end_old_" "$end_born_" "$VALUE"
	[ -z "$end_forced_" ] || end_workers "$end_workers_"
}

exec_note_stopping() { # before the process of end_file_ is asked to stop, so that no way back keeps it. 1 with WHY and EVIDENCE where that cannot be written and a way back may come: then it serves on. Where there is none any more, or this is it, nobody reads that
	{ printf '' >"$end_file_.stopping"; } 2>/dev/null && return 0 # with : some shells would end here
	still_decided || return 1
	WHY=cannot-write EVIDENCE="cannot write $end_file_.stopping; old pid $end_old_ still serves"
	case $TRIAL in */armed | */confirmed) return 1 ;; esac
}

exec_workers() { # PID: print `pid born` of its children, but for the main process (in MAIN_PID) and what that came of
	workers_main_=$MAIN_PID
	[ -n "$workers_main_" ] || return 0
	for workers_pid_ in $(children_of "$1"); do
		find_born "$workers_pid_" || continue
		is_below "$workers_main_" "$workers_pid_" || echo "$workers_pid_ $BORN"
	done
}

exec_is_fit() { # PID: what was kept is FROM by what is known of it, and no data was put back under it: it may hold open what is gone
	[ ! -f "$TRIAL/restored" ] && [ "$(kv_get "$TRIAL/trial" found || :)" != other ] && exec_runs "$1" "$FROM" 0
}

exec_keep_old() { # way back from a hand-over that stopped half way: the old process was never asked to stop, so it stays and the new one goes; 2 with WHY and EVIDENCE when it is unknown who is the main process
	keep_file_=$TRIAL/hand-over.$TO
	[ -f "$keep_file_" ] && [ ! -f "$keep_file_.stopping" ] || return 1
	[ "$FROM" = "$TO" ] || [ ! -f "$TRIAL/hand-over.$FROM" ] || return 1 # it is on its way back by that
	kv_value "$keep_file_" pid
	keep_pid_=$VALUE
	kv_value "$keep_file_" born
	keep_born_=$VALUE
	same_process "$keep_pid_" "$keep_born_" || return 1
	exec_end_strays || return 2
	manager_find_main || [ $? -eq 1 ] || return 2
	keep_new_=$MAIN_PID
	find_names
	case $STRATEGY/$MANAGER in
		*/process | reuseport/*) ;;
		*) [ "$keep_new_" = "$keep_pid_" ] || return 1 ;;
	esac
	[ "$keep_new_" != "$keep_pid_" ] || return 0
	! manager_is process || exec_name_main "$keep_pid_" || return 1
	if [ -n "$keep_new_" ] && keep_new_born_=$(process_born "$keep_new_"); then
		exec_stop "$keep_new_" "$keep_new_born_" "$(contract_number switch.stop-seconds 30)"
	fi
}

exec_name_main() { # PID: the pid file names this process again (manager process; systemd keeps its own). A full disk has no room for another file, but for these few bytes where that one is; what is left of it becomes empty lines
	process_files
	(write_file "$PID_FILE" "$1") 2>/dev/null && return 0
	file_size "$PID_FILE"
	name_text_=$1
	while [ "${#name_text_}" -lt "$((SIZE - 1))" ]; do name_text_=$name_text_$NL; done
	{ printf '%s\n' "$name_text_" 1<>"$PID_FILE"; } 2>/dev/null && read -r name_said_ <"$PID_FILE" && [ "$name_said_" = "$1" ]
}

exec_put_back() { # PID BORN: a successor that wrote its pid and died gives the pid file back to the one that still serves
	manager_is process && same_process "$1" "$2" || return 0
	manager_main_pid >/dev/null || exec_name_main "$1" || :
}
