# Strategy `signal`: nginx's protocol, which gunicorn speaks too. The master is asked (USR2) to start its successor, which inherits the
# listeners. When the successor's workers accept, those of the old master are asked to end (WINCH), and it waits without any until the
# commit (QUIT). Until then the way back is HUP to it and QUIT to the new one, so no listener closes either way (P11).
# The main process is the newest living master, also for a probe; systemd's MainPID stays the old one until that ends.
# TRIAL/hand-over.VERSION remembers whom we asked (`.cold`: nobody, it was started anew). All else is read from the processes themselves
# and their pid files (masters.sh), so every step can be done again.

signal_prepare() { # what runs must be a master that knows the signal that asks it; most others would end by it
	if manager_find_main; then signal_understands "$MAIN_PID" && signal_is_master "$MAIN_PID"; else [ $? -eq 1 ]; fi
}

signal_hand_over() { # from what runs to what current names; cold start when nothing runs
	signal_forward "$TO"
}

signal_ready() { # print ready, pending or failed: the main process runs what current names, and its workers accept
	ready_word_=$(manager_condition)
	if [ "$ready_word_" = ready ]; then
		if ! ready_main_=$(signal_main_pid); then
			ready_word_=pending
		elif ! exec_runs "$ready_main_" "$(current_version "$ROOT" || :)" 0; then
			ready_word_=failed
		elif ! signal_serves "$ready_main_"; then
			ready_word_=pending
		fi
	fi
	echo "$ready_word_"
}

signal_way_back() { # the old master's workers return and the new master ends; without an old master that of TO hands over to FROM
	if [ -z "$FROM" ]; then
		manager_stop
	elif signal_asked "$TO" && same_process "$ASKED" "$ASKED_BORN"; then
		# By FROM's contract it serves with workers, or not at all.
		{ signal_take_back && { [ ! -f "$ALONE_FILE" ] || signal_serves_soon "$ASKED"; }; } || manager_restart
	else
		signal_back_without
	fi
}

signal_back_without() { # no old master waits: what runs FROM goes on where nothing has happened yet, else that of TO hands over to FROM
	manager_find_main || [ $? -eq 1 ] || return 1
	if [ ! -f "$ASKED_FILE" ] && [ ! -f "$ASKED_FILE.cold" ] && exec_runs "$MAIN_PID" "$FROM" 0; then
		# Unless it ended meanwhile and was started anew from current.
		signal_upon_restored "$MAIN_PID" || manager_restart
	else
		{ signal_forward "$FROM" && signal_end_old_ones; } || manager_restart_else
	fi
}

signal_end_old_ones() { # of the masters only the newest stays; what was started cold may not have any yet. 1 with WHY and EVIDENCE
	manager_find_main || [ $? -eq 1 ] || return 1
	[ -z "$MAIN_PID" ] || signal_end_others "$MAIN_PID"
}

signal_finish() { # the old master ends; it must not be the one that serves
	end_orphans
	signal_asked "$TO" || return 0
	same_process "$ASKED" "$ASKED_BORN" || { signal_settle; return 0; }
	manager_find_main || [ $? -eq 1 ] || return 1
	finish_main_=${MAIN_PID:-none}
	WHY=not-handed-over
	EVIDENCE="main process $finish_main_ does not run $TO any more; the old master $ASKED lives"
	exec_runs "$finish_main_" "$TO" "$ASKED_TICK" || return 1
	signal_end_others "$finish_main_" || return 1
	signal_settle
}

signal_asked() { # VERSION: 0 when a master was asked to hand over to it; sets ASKED, ASKED_BORN and ASKED_TICK, and ASKED_FILE and ALONE_FILE in any case
	ASKED_FILE=$TRIAL/hand-over.$1
	ALONE_FILE=$TRIAL/alone.$1 # there when it had no workers, and was not asked to end any
	[ -f "$ASKED_FILE" ] || return 1
	kv_value "$ASKED_FILE" pid
	ASKED=$VALUE
	kv_value "$ASKED_FILE" born
	ASKED_BORN=$VALUE
	kv_value "$ASKED_FILE" tick
	ASKED_TICK=$VALUE
}

# ---- forward -----------------------------------------------------------------

signal_forward() { # VERSION: a new master runs it and its workers accept, the old one stays without any; goes on where it was interrupted
	end_orphans
	if ! signal_asked "$1"; then
		manager_find_main || [ $? -eq 1 ] || return 1
		forward_main_=$MAIN_PID
		if [ -f "$ASKED_FILE.cold" ] && exec_runs "$forward_main_" "$1" 0; then return 0; fi
		if ! forward_born_=$(process_born "$forward_main_"); then
			signal_cold
			return
		fi
		signal_alone "$forward_main_" && signal_understands "$forward_main_" || return 1
		# Before it is remembered, in the same directory: who goes on from the one knows the other.
		if signal_has_workers "$forward_main_"; then
			rm -f "$ALONE_FILE"
		else # with : some shells would end here
			{ printf '' >"$ALONE_FILE"; } 2>/dev/null || :
		fi
		{
			kv_line born "$forward_born_"
			kv_line pid "$forward_main_"
			kv_line tick "$(clock_tick)"
		} | atomic_write "$ASKED_FILE" || { still_decided || return 1; WHY=cannot-write EVIDENCE="cannot write $ASKED_FILE"; return 1; }
		signal_asked "$1"
	fi
	forward_rc_=0
	signal_successor "$1" || forward_rc_=$?
	[ "$forward_rc_" -ne 2 ] || return 1
	if [ "$forward_rc_" -ne 0 ]; then
		if ! same_process "$ASKED" "$ASKED_BORN"; then
			signal_cold
			return
		fi
		# Who has started one already takes no notice of a second one.
		kill -s "$(kv_get "$CONTRACT" switch.upgrade-signal || echo USR2)" "$ASKED" 2>/dev/null || :
	fi
	if ! signal_wait "$1"; then
		forward_why_=$WHY forward_evidence_=$EVIDENCE
		signal_drop_successor "$1" "$(signal_booting)"
		if same_process "$ASKED" "$ASKED_BORN"; then forward_evidence_="old pid $ASKED still serves; $forward_evidence_"; fi
		WHY=$forward_why_ EVIDENCE=$forward_evidence_
		return 1
	fi
	same_process "$ASKED" "$ASKED_BORN" || return 0
	rm -f "$ALONE_FILE"
	kill -s "$(kv_get "$CONTRACT" switch.wind-down-signal || echo WINCH)" "$ASKED" 2>/dev/null || :
	wait_quiet "$(contract_number switch.stop-seconds 30)" signal_workers "$ASKED" && return 0
	EVIDENCE="$EVIDENCE although its master $ASKED was asked to end it; nginx and gunicorn do so only when they run as daemons"
	return 1
}

signal_cold() { # nobody is there to ask: what is left ends, and the service is started anew
	{ echo cold >"$ASKED_FILE.cold"; } 2>/dev/null || still_decided || return 1 # with : some shells would end here
	manager_restart
}

signal_alone() { # MAIN: an older master that somebody else has left behind ends, if MAIN serves; 1 with WHY and EVIDENCE
	alone_others_=$(signal_masters | grep -vx "$1" | tr '\n' ' ') || :
	[ -n "$alone_others_" ] || return 0
	WHY=two-masters EVIDENCE="pid $1 is the newest master and does not serve; beside it live: $alone_others_"
	signal_serves_soon "$1" && signal_end_others "$1"
}

signal_successor() { # VERSION: 0 when the main process is a new master that runs it, 2 with WHY and EVIDENCE when that is unknown; sets SUCCESSOR
	SUCCESSOR=
	manager_find_main || return
	SUCCESSOR=$MAIN_PID
	[ "$SUCCESSOR" != "$ASKED" ] && exec_runs "$SUCCESSOR" "$1" "$ASKED_TICK"
}

signal_booting() { # [VERSION]: print children of the asked master that were born since and do not accept, or execute a program of their own: its successor, before it says so in its pid file; with VERSION only of the latter those that show that they run it
	same_process "$ASKED" "$ASKED_BORN" || return 0
	for booting_pid_ in $(signal_workers "$ASKED"); do
		find_born "$booting_pid_" || continue
		booting_born_=$BORN
		[ "$booting_born_" -ge "$ASKED_TICK" ] || continue
		if is_fork_of "$ASKED" "$booting_pid_"; then
			[ -z "${1-}" ] && ! accepts "$booting_pid_" || continue
		else
			[ -z "${1-}" ] || runs_visibly "$booting_pid_" "$1" || continue
		fi
		echo "$booting_pid_"
	done
}

signal_wait() { # VERSION: until a new master runs it and its workers accept; 1 with WHY and EVIDENCE when it died, hung, or the trial was decided
	contract_value switch.ready-seconds 30
	wait_seconds_=$VALUE
	uptime_cs
	wait_by_=$((UPTIME_CS + wait_seconds_ * 100))
	wait_seen_=$UPTIME_CS
	wait_looks_=0 # in a row that found nobody: on a busy host a single one takes longer than a second
	while :; do
		uptime_cs # before the look: what got ready in it is ready
		wait_at_=$UPTIME_CS
		wait_booting_=$(signal_booting) # first: who is named in a pid file between the two looks is found by the second
		wait_rc_=0
		signal_successor "$1" || wait_rc_=$?
		if [ "$wait_rc_" -eq 0 ] && signal_serves "$SUCCESSOR"; then return 0; fi
		still_decided || return 1
		uptime_cs
		if [ "$wait_rc_" -eq 2 ] || [ "${SUCCESSOR:-$ASKED}" != "$ASKED" ] || [ -n "$wait_booting_" ] || signal_is_answering; then
			wait_seen_=$UPTIME_CS
			wait_looks_=0
		elif wait_looks_=$((wait_looks_ + 1)) && [ "$wait_looks_" -ge 3 ] && [ $((UPTIME_CS - wait_seen_)) -ge 100 ]; then
			WHY=new-version-died
			EVIDENCE="$1 ended before it was ready; $(manager_status_evidence)"
			return 1
		fi
		if [ "$wait_at_" -ge "$wait_by_" ]; then
			[ "$wait_rc_" -ne 2 ] || return 1 # who is the main process is unknown, and WHY says so
			WHY=not-ready
			EVIDENCE="$1 not ready within $wait_seconds_ s; $(signal_missing "$1"); $(manager_status_evidence)"
			return 1
		fi
		nap
	done
}

signal_missing() { # VERSION: print what it was waited for
	signal_pid_file
	if [ "${SUCCESSOR:-$ASKED}" = "$ASKED" ]; then
		echo "no new master has named itself in $MASTER_FILE"
	elif exec_runs "$SUCCESSOR" "$1" "$ASKED_TICK"; then
		echo "no worker of the new master $SUCCESSOR accepts connections"
	else
		echo "the new master $SUCCESSOR does not run $1: the first one has to be started through $ROOT/current"
	fi
}

signal_is_answering() { # 0 while the asked master has not looked at the signal yet, or is at work: what it was asked to start may still come
	same_process "$ASKED" "$ASKED_BORN" || return 1
	has_pending_signal "$ASKED" && return 0
	case $STAT_FIELDS in [RD]*) ;; *) return 1 ;; esac
}

signal_drop_successor() { # VERSION PIDS: a successor, a master by now or one of PIDS, that never got ready ends; one that comes late would serve beside the version we chose
	for drop_pid_ in $(signal_masters) $2; do
		[ "$drop_pid_" = "$ASKED" ] || signal_end_master "$drop_pid_"
	done
	# One that is no master of this kind has left its pid file to the successor.
	if ! manager_is systemd && same_process "$ASKED" "$ASKED_BORN" && says_no signal_main_pid; then signal_name_main "$ASKED" || :; fi
	signal_end_orphans "$1"
	signal_settle
}

# ---- back --------------------------------------------------------------------

signal_take_back() { # the asked master's workers return if they are gone, then every other master ends; 1 with WHY and EVIDENCE
	take_back_version_= # of workers that return, an interrupted way back may be asked: those run no version that shows
	[ ! -f "$TRIAL/hand-over.revived" ] || take_back_version_=$TO
	take_back_booting_=$(signal_booting "$take_back_version_" | tr '\n' ' ')
	# Who never had any needs no HUP, and may be one that ends by it.
	if [ ! -f "$ALONE_FILE" ] && ! signal_serves_soon "$ASKED" "$take_back_booting_"; then
		# Each HUP starts a set of workers, so a way back that was interrupted first looks for those that it asked for.
		if [ ! -f "$TRIAL/hand-over.revived" ] || ! signal_revived 2 "$take_back_booting_"; then
			if [ -f "$TRIAL/restored" ]; then take_back_upon_=restored; else take_back_upon_=; fi
			echo "$ASKED $take_back_upon_" >"$TRIAL/hand-over.revived" 2>/dev/null || :
			kill -s HUP "$ASKED" 2>/dev/null || :
			signal_revived "$(contract_number switch.ready-seconds 30)" "$take_back_booting_" || return 1
		fi
	fi
	signal_drop_successor "$TO" "$take_back_booting_"
	# Workers that were never asked to end, or came back earlier, may hold open what was there before saved data was put back. As long as there
	# was a successor, HUP would have started others beside them.
	[ ! -f "$TRIAL/restored" ] || grep -q restored "$TRIAL/hand-over.revived" 2>/dev/null || signal_renew
}

signal_upon_restored() { # MASTER: it serves with workers that were started since saved data was put back, where any was; 1 where they are not to be had
	[ -f "$TRIAL/restored" ] || return 0
	ASKED=$1
	ASKED_BORN=$(process_born "$1") && catches "$1" HUP && signal_renew
}

signal_renew() { # the asked master has other workers in the place of those that it has; again: once more. 1 with WHY and EVIDENCE
	renew_tick_=$(clock_tick)
	uptime_cs
	contract_value switch.ready-seconds 30
	renew_by_=$((UPTIME_CS + VALUE * 100))
	kill -s HUP "$ASKED" 2>/dev/null || :
	renew_at_=$UPTIME_CS # before each look
	# shellcheck disable=SC2046 # pids
	until any_accepts $(signal_workers_born since); do
		WHY=not-ready EVIDENCE="the old master $ASKED did not start its workers anew upon the data that was put back"
		[ "$renew_at_" -lt "$renew_by_" ] && same_process "$ASKED" "$ASKED_BORN" || return 1
		nap
		uptime_cs
		renew_at_=$UPTIME_CS
	done
	wait_quiet "$(contract_number switch.stop-seconds 30)" signal_workers_born before
}

signal_workers_born() { # since|before: print those of the asked master that were born since renew_tick_, or before
	for renew_pid_ in $(signal_workers "$ASKED"); do
		find_born "$renew_pid_" || continue
		if [ "$BORN" -ge "$renew_tick_" ]; then renew_born_=since; else renew_born_=before; fi
		[ "$renew_born_" != "$1" ] || echo "$renew_pid_"
	done
}

signal_revived() { # SECONDS PIDS: until a worker of the asked master accepts, none of PIDS; 1 with WHY and EVIDENCE
	uptime_cs
	revived_by_=$((UPTIME_CS + $1 * 100))
	revived_at_=$UPTIME_CS # before each look
	until signal_serves "$ASKED" "$2"; do
		WHY=not-ready EVIDENCE="the old master $ASKED did not bring its workers back within $1 s"
		[ "$revived_at_" -lt "$revived_by_" ] && same_process "$ASKED" "$ASKED_BORN" || return 1
		nap
		uptime_cs
		revived_at_=$UPTIME_CS
	done
}
