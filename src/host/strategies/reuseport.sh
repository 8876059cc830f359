# Strategy `reuseport`: old and new overlap, each with a listener of its own on the same port (SO_REUSEPORT), and the old one is asked to stop
# when the new one is ready. Nobody starts anybody: manager process starts the second one beside the first, manager systemd the other of
# two instances, a and b, of the unit NAME@.service; the one that became active last serves, and a is the one to enable for boots. Its
# stop signal is the unit's own (KillSignal=). It goes the way of exec (exec.sh).
# What waits in the accept queue of a listener that closes is reset, unless net.ipv4.tcp_migrate_req (Linux 5.14) moves it to the other
# one: prepare sets it where it may, for the whole machine, and nothing sets it back: another service may count on it by then.

reuseport_prepare() { # connections that wait move with the listener, where this host lets us say so
	[ "$MODE" = system ] && [ "$(reuseport_migrates)" = 0 ] || return 0
	{ echo 1 >/proc/sys/net/ipv4/tcp_migrate_req; } 2>/dev/null || :
}

reuseport_migrates() { # print net.ipv4.tcp_migrate_req: 0, 1, or nothing where the kernel has none
	cat /proc/sys/net/ipv4/tcp_migrate_req 2>/dev/null || :
}

reuseport_note() { # print what the evidence says of connections that waited when the old listener closed
	case $(reuseport_migrates) in
		1) echo "tcp-migrate-req=1" ;;
		0)
			if [ "$MODE" = system ]; then note_=refused; else note_=user-mode; fi
			echo "tcp-migrate-req=0 ($note_: connections that the old one had not accepted were reset)"
			;;
		*) echo "tcp-migrate-req=none (kernel $(uname -r): connections that the old one had not accepted were reset)" ;;
	esac
}

reuseport_hand_over() { # a second one beside what runs; cold start when nothing runs
	exec_swap "$TO" && reuseport_end_others
}

reuseport_ready() { # print ready, pending or failed
	manager_condition
}

reuseport_way_back() { # the same with current pointing back; a first install that goes back stops
	exec_way_back && reuseport_end_others
}

reuseport_finish() { # an old process that an interrupted hand-over left behind ends
	exec_end_old && reuseport_end_others
}

reuseport_start_beside() { # start what current names beside the process that runs; 1 with WHY and EVIDENCE
	rm -f "$swap_file_.seen"
	if manager_is process; then
		process_spawn "$swap_file_.seen" || return 1
		return 0
	fi
	beside_=$(until_answered reuseport_other) || reuseport_unanswered || return 1
	systemd_ask reset-failed "$beside_" >/dev/null || :
	systemd_call start --no-block "$beside_" || return 1
	uptime_cs
	beside_by_=$((UPTIME_CS + 500))
	while :; do # until its job has begun: from then on its state tells whether it lives
		case $(systemd_ask show -p ActiveState -p Job "$beside_" | tr '\n' ' ') in
			*Job=[1-9]*ActiveState=inactive* | *ActiveState=inactive*Job=[1-9]*) ;;
			*) return 0 ;;
		esac
		uptime_cs
		[ "$UPTIME_CS" -lt "$beside_by_" ] || return 0
		nap
	done
}

reuseport_other() { # print the instance that does not serve; 2 when systemd does not say which that is
	systemd_first || return
	case $FIRST_UNIT in
		*@a.service) echo "${FIRST_UNIT%a.service}b.service" ;;
		*@b.service) echo "${FIRST_UNIT%b.service}a.service" ;;
		*) return 1 ;; # the contract names no template
	esac
}

reuseport_unanswered() { # which instance serves is unknown, and unknown is stopped by nobody: 1 with WHY and EVIDENCE
	WHY=systemd-silent EVIDENCE="systemd does not say which instance of the contract's template serves"
	return 1
}

reuseport_state() { # UNIT: print its ActiveState
	systemd_answer show -p ActiveState --value "$1" || echo unknown
}

reuseport_has_failed() { # 0 when systemd has given up the instance that was started beside: it may have died between any two looks. Which of the two serves is not asked: when neither does, a guess would take the old one that ended for the new one that starts
	strategy_is reuseport && manager_is systemd || return 1
	# shellcheck disable=SC2046
	failed_said_=$(systemd_ask show -p ActiveState -p Job $(systemd_instances)) || return 1
	case $failed_said_ in
		*=activating* | *=deactivating* | *Job=[1-9]*) return 1 ;; # one still comes, or goes first
		*=failed*) ;; # what failed before was forgotten when it was started
		*) return 1 ;;
	esac
}

reuseport_strays() { # print the pid of the instance that starts beside the one that serves; 2 when systemd does not answer
	strays_unit_=$(reuseport_other) || return
	case $(reuseport_state "$strays_unit_") in
		activating) ;;
		unknown) return 2 ;;
		*) return 0 ;;
	esac
	strays_pid_=$(systemd_answer show -p MainPID --value "$strays_unit_") || return
	[ "${strays_pid_:-0}" = 0 ] || echo "$strays_pid_"
}

reuseport_end_coming() { # stop the instance that starts beside the one that serves, also while systemd only waits to start it again; 2 when systemd does not answer
	coming_unit_=$(reuseport_other) || return
	case $(reuseport_state "$coming_unit_") in
		unknown) return 2 ;;
		activating) systemd_call stop "$coming_unit_" || : ;;
		failed) systemd_ask reset-failed "$coming_unit_" >/dev/null || : ;;
	esac
}

reuseport_stop_unit() { # PID: stop the instance whose main process that is: one that were only killed would be started again
	for stop_unit_ in $(systemd_instances); do
		[ "$(systemd_ask show -p MainPID --value "$stop_unit_")" = "$1" ] || continue
		contract_value switch.stop-seconds 30
		stop_seconds_=$VALUE
		if ! timeout -k 2 "$stop_seconds_" systemctl --no-ask-password stop "$stop_unit_" </dev/null >/dev/null 2>&1 3>&- 6>&- 7>&- 8>&- 9>&-; then
			end_note_killed "$1" "$stop_seconds_"
			systemd_call kill --signal=KILL "$stop_unit_" || :
		fi
	done
}

reuseport_end_others() { # no second instance stays, also none that systemd started again while both ran
	manager_is systemd || return 0
	others_unit_=$(until_answered reuseport_other) || reuseport_unanswered || return 1
	case $(reuseport_state "$others_unit_") in
		inactive | failed) ;;
		*) systemd_call stop "$others_unit_" ;;
	esac
}
