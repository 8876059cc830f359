# Strategy `reload`: the main process stays and, asked by a signal, starts anew what current names: HAProxy's master executes itself again, others
# read their files and start new workers. Its pid proves nothing then, so what runs must show that it is new: workers that were born
# since, run no other version and accept, while the old ones accept no more; without workers, the main process by its program,
# directory or arguments. A reload that changes nothing fails. The same signal is the way back.
# TRIAL/hand-over.VERSION remembers when we asked; to ask twice does no harm. While it executes itself again there may be no pid file
# (process_rewriting), and what it is asked may be lost.

reload_prepare() { # the running process must know the signal; most signals end a process that does not
	if manager_find_main; then reload_understands "$MAIN_PID"; else [ $? -eq 1 ]; fi
}

reload_hand_over() { # from what runs to what current names; cold start when nothing runs
	reload_to "$TO"
}

reload_ready() { # print ready, pending or failed
	manager_condition
}

reload_way_back() { # the same with current pointing back, anew where it does not help; a first install that goes back stops
	if [ -z "$FROM" ]; then
		manager_stop
	else # also where nobody was asked: what ended meanwhile was started anew from current
		reload_to "$FROM" || manager_restart_else
	fi
}

reload_finish() { # nothing is left over
	:
}

reload_understands() { # PID: it handles the signal; 1 with WHY and EVIDENCE
	kv_value "$CONTRACT" switch.reload-signal || VALUE=HUP
	understands_=$VALUE
	WHY=cannot-hand-over EVIDENCE="the running pid $1 does not handle $understands_, which strategy reload sends it: first release a version that handles it, once with strategy restart"
	catches "$1" "$understands_"
}

reload_to() { # VERSION: the main process is asked until it shows that it runs VERSION; 1 with WHY and EVIDENCE
	reload_file_=$TRIAL/hand-over.$1
	manager_find_main || [ $? -eq 1 ] || return 1
	reload_main_=$MAIN_PID
	if ! reload_born_=$(process_born "$reload_main_"); then
		reload_remember none none
		manager_restart
		return
	fi
	reload_understands "$reload_main_" || return 1
	reload_let_finish
	# Workers from before saved data was put back may hold open what was there.
	if [ -f "$TRIAL/restored" ]; then reload_restored_=yes; else reload_restored_=no; fi
	if [ "$(kv_get "$reload_file_" pid || :)" = "$reload_main_" ] && [ "$(kv_get "$reload_file_" born || :)" = "$reload_born_" ] && [ "$(kv_get "$reload_file_" restored || echo no)" = "$reload_restored_" ]; then
		# Interrupted: perhaps all is done. What started before we asked is told from the rest by the first time.
		kv_value "$reload_file_" tick
		reload_tick_=$VALUE
		kv_value "$reload_file_" workers
		reload_workers_=$VALUE
		if reload_shows "$1" && reload_quiet "$1" && reload_named; then return 0; fi
	else
		reload_tick_=$(clock_tick)
		reload_workers_=no
		if reload_has_workers; then reload_workers_=yes; fi
		reload_remember "$reload_main_" "$reload_born_" || reload_unremembered || return 1
	fi
	reload_ask
	reload_wait "$1" && reload_quiet "$1" && reload_named
}

reload_let_finish() { # it may be executing itself again, for us who were killed, for the trial that we take back, or for an operator: it gets a moment
	uptime_cs
	finish_by_=$((UPTIME_CS + 500))
	while holds_back "$reload_main_" "$understands_" && [ "$UPTIME_CS" -lt "$finish_by_" ]; do
		nap
		uptime_cs
	done
}

reload_has_workers() { # 0 when a child of it accepts; it gets three looks to have any, and children that were born just now, or are busy with a request, a second besides
	uptime_cs
	workers_by_=$((UPTIME_CS + 100))
	workers_looks_=0
	while :; do
		# shellcheck disable=SC2046 # pids
		set -- $(children_of "$reload_main_")
		! any_accepts "$@" || return 0
		uptime_cs
		workers_looks_=$((workers_looks_ + 1))
		[ "$workers_looks_" -lt 3 ] || { [ $# -gt 0 ] && [ "$UPTIME_CS" -lt "$workers_by_" ]; } || return 1
		nap
	done
}

reload_ask() { # one that holds the signal back may forget it with all that its old program was told: it has to be asked again
	reload_held_=
	! holds_back "$reload_main_" "$understands_" || reload_held_=yes
	kill -s "$understands_" "$reload_main_" 2>/dev/null || :
}

reload_named() { # its pid file names it again: most do that by themselves
	manager_is process || return 0
	process_files
	uptime_cs
	named_by_=$((UPTIME_CS + 200))
	until [ -s "$PID_FILE" ]; do
		nap
		uptime_cs
		[ "$UPTIME_CS" -lt "$named_by_" ] || { exec_name_main "$reload_main_" || :; return 0; }
	done
}

reload_remember() { # PID BORN: that it is asked now
	{
		kv_line born "$2"
		kv_line pid "$1"
		kv_line restored "${reload_restored_-no}"
		kv_line tick "${reload_tick_-0}"
		kv_line workers "${reload_workers_-no}"
	} | atomic_write "$reload_file_"
}

reload_unremembered() { # it cannot be written down: nobody is asked then, unless this is the way back, which at worst asks twice. 1 with WHY and EVIDENCE
	still_decided || return 1
	WHY=cannot-write EVIDENCE="cannot write $reload_file_"
	case $TRIAL in */reverting) ;; *) return 1 ;; esac
}

reload_wait() { # VERSION: until the new code shows; 1 with WHY and EVIDENCE when the main process ended, nothing changed in time, or the trial was decided
	contract_value switch.ready-seconds 30
	wait_seconds_=$VALUE
	uptime_cs
	wait_by_=$((UPTIME_CS + wait_seconds_ * 100))
	while :; do
		uptime_cs # before the look: what shows in it is there
		wait_at_=$UPTIME_CS
		if reload_shows "$1"; then return 0; fi
		still_decided || return 1
		[ -z "$reload_held_" ] || holds_back "$reload_main_" "$understands_" || reload_ask
		if ! same_process "$reload_main_" "$reload_born_"; then
			WHY=new-version-died
			EVIDENCE="the main process $reload_main_ ended over the reload; $(manager_status_evidence)"
			return 1
		fi
		if [ "$wait_at_" -ge "$wait_by_" ]; then
			WHY=not-reloaded
			EVIDENCE="no process that $reload_main_ started since runs $1 and accepts after $wait_seconds_ s; $(manager_status_evidence)"
			return 1
		fi
		nap
	done
}

reload_shows() { # VERSION: 0 when new code is seen to run: a worker that was born since and accepts, or the main process itself
	for shows_child_ in $(children_of "$reload_main_"); do
		exec_runs "$shows_child_" "$1" "$reload_tick_" || continue
		if [ "$reload_workers_" = yes ]; then
			! accepts "$shows_child_" || return 0
		elif runs_visibly "$shows_child_" "$1"; then
			return 0
		fi
	done
	[ "$reload_workers_" = no ] && runs_visibly "$reload_main_" "$1"
}

reload_quiet() { # VERSION: other workers accept no more; 1 with WHY and EVIDENCE
	wait_quiet "$(contract_number switch.stop-seconds 30)" reload_other_workers "$1"
}

reload_other_workers() { # VERSION: print the main process's children that were born before we asked, or run another version: that of a reload that was under way
	for other_pid_ in $(children_of "$reload_main_"); do
		exec_runs "$other_pid_" "$1" "$reload_tick_" || echo "$other_pid_"
	done
}
