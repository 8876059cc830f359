# Strategy `takeover`: the running service starts its successor as with exec, and hands it over a Unix socket (CUTOVER_TAKEOVER, in a directory
# that only its user can enter) its listeners and its established connections with their state (SCM_RIGHTS), so no stream breaks. It lets go only
# when the successor has said that it has everything, names it (pid file, MAINPID) before, and ends by itself. One that dies earlier
# costs nothing: the old one serves on with all its connections. One that dies later takes them with it. Back is the same with roles exchanged.
# Under systemd the moment is an instant earlier: who dies as MAINPID ends the unit, and the old one with it. deploy/skeletons/c-takeover speaks the protocol.

takeover_prepare() { # what runs was started with a socket that only its user can reach, and knows the signal that asks it; nothing runs: a cold start follows
	manager_find_main || [ $? -eq 1 ] || return 1
	takeover_lacks=$(takeover_problem "$MAIN_PID")
	if [ -z "$takeover_lacks" ]; then
		exec_prepare
		return
	fi
	WHY=cannot-take-over
	EVIDENCE=$takeover_lacks
	return 1
}

takeover_problem() { # PID: print why the connections of that main process cannot be handed over here; nothing when they can, or when there is none yet
	if manager_is process; then
		process_files
		takeover_path_problem "$TAKEOVER_SOCKET"
	fi
	problem_pid_=$1
	[ -n "$problem_pid_" ] || return 0
	problem_socket_=$({ tr '\0' '\n' <"/proc/$problem_pid_/environ"; } 2>/dev/null | sed -n 's/^CUTOVER_TAKEOVER=//p' | head -n 1)
	if [ -z "$problem_socket_" ]; then
		echo "pid $problem_pid_ was started without CUTOVER_TAKEOVER, so it cannot be asked for its connections; restart it once"
		return 0
	fi
	takeover_path_problem "$problem_socket_"
	if [ -L "${problem_socket_%/*}" ] || [ ! -d "${problem_socket_%/*}" ]; then
		echo "${problem_socket_%/*}, where pid $problem_pid_ hands over, is not a directory"
		return 0
	fi
	case $(stat -c '%u %a' "${problem_socket_%/*}" 2>/dev/null || :) in
		"$(stat -c %u "/proc/$problem_pid_" 2>/dev/null || :) 700") ;;
		*) echo "${problem_socket_%/*}, where pid $problem_pid_ hands over, must belong to its user and have mode 700" ;;
	esac
}

takeover_path_problem() { # PATH: print why no Unix socket can be there: the kernel allows 107 bytes
	[ "${#1}" -le 107 ] || echo "$1 is ${#1} bytes long, and a Unix socket's path has at most 107"
}

takeover_hand_over() { # from what runs to what current names; cold start when nothing runs
	exec_swap "$TO"
}

takeover_ready() { # print ready, pending or failed
	manager_condition
}

takeover_way_back() { # what still serves stays; else the new one hands everything back; a first install that goes back stops
	if [ -z "$FROM" ]; then
		exec_end_strays || : # all of it stops
		manager_stop
		return
	fi
	exec_end_strays || return 1
	if takeover_unasked && exec_is_fit "$unasked_pid_"; then return 0; fi
	# It let go, or it would be the main process; one that comes back to life in between is that again, and serves on.
	exec_end_old "$TRIAL/hand-over.$TO" || {
		[ "$WHY" = new-version-died ]
		return
	}
	exec_swap "$FROM" anew
}

takeover_unasked() { # 0 while the process that was asked to hand over to TO is still the main one
	unasked_file_=$TRIAL/hand-over.$TO
	kv_value "$unasked_file_" pid || return 1
	unasked_pid_=$VALUE
	kv_value "$unasked_file_" born && same_process "$unasked_pid_" "$VALUE" && manager_main_is "$unasked_pid_"
}

takeover_finish() { # an old process that does not end by itself is ended
	exec_end_old
}

takeover_end_stray() { # PID BORN: end a successor that has not been named. Stopped it can take nothing any more, so nobody is asked to end who just has. 2 when it is unknown whether it has
	for _ in 1 2 3; do
		same_process "$1" "$2" || return 0
		manager_find_main || [ $? -eq 1 ] || return 2
		[ "$MAIN_PID" != "$1" ] || return 0
		kill -s STOP "$1" 2>/dev/null || :
		uptime_cs
		stray_by_=$((UPTIME_CS + 100))
		until takeover_stopped "$1" || [ "$UPTIME_CS" -ge "$stray_by_" ]; do
			nap
			uptime_cs
		done
		# One look: if it serves by now, all that it serves stands still.
		stray_named_=0
		stray_now_=$(manager_main_pid) || stray_named_=$?
		if [ "$stray_named_" -ne 2 ] && [ "$stray_now_" != "$1" ]; then
			end_process "$1" "$2" KILL 1
			return 0
		fi
		kill -s CONT "$1" 2>/dev/null || :
		[ "$stray_named_" -eq 2 ] || return 0
	done
	return 2
}

takeover_stopped() { # PID: it does not run: stopped, or gone
	find_stat "$1" || return 0
	case $STAT_FIELDS in [TtZX]*) return 0 ;; esac
	return 1
}

takeover_wait_end() { # PID BORN: until the process that handed over has ended by itself, at most switch.stop-seconds; 1 with WHY and EVIDENCE when its successor died before it had taken all, and it serves again
	uptime_cs
	end_wait_by_=$((UPTIME_CS + $(contract_number switch.stop-seconds 30) * 100))
	while same_process "$1" "$2"; do
		manager_find_main || [ $? -eq 1 ] || return 1
		if [ "$MAIN_PID" = "$1" ]; then
			WHY=new-version-died
			EVIDENCE="the new version ended before it had taken over; old pid $1 still serves; $(manager_status_evidence)"
			return 1
		fi
		still_decided || return 1
		uptime_cs
		[ "$UPTIME_CS" -lt "$end_wait_by_" ] || return 0
		nap
	done
}
