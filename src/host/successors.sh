# The successors of a service under strategies exec and takeover: who they are before they are the main process, whether one may still come, and
# how those end that come too late. With reuseport they are what was started beside the one that serves.

exec_strays() { # print pids of successors that are not the main process, 2 when that is unknown: children of a process that we asked to hand over, started since; with reuseport what we started beside it
	find_names
	case $STRATEGY/$MANAGER in
		reuseport/systemd)
			reuseport_strays
			return
			;;
	esac
	stray_rc_=0
	stray_main_=$(manager_main_pid) || stray_rc_=$?
	for stray_file_ in "$TRIAL"/hand-over.*; do
		case $stray_file_ in *.seen | *.stopping | *.known) continue ;; esac
		[ -f "$stray_file_" ] || continue
		kv_value "$stray_file_" pid || continue
		stray_old_=$VALUE
		kv_value "$stray_file_" tick
		stray_tick_=$VALUE
		if strategy_is reuseport; then
			stray_asked_= # each noted itself
		elif kv_value "$stray_file_" born && same_process "$stray_old_" "$VALUE"; then
			stray_asked_=$(cat "/proc/$stray_old_"/task/*/children 2>/dev/null || :)
		elif [ "$stray_rc_" -eq 1 ]; then
			stray_asked_=$(exec_orphans) # it died over it, and what it started is nobody's child now
		else
			stray_asked_=
		fi
		for stray_pid_ in $stray_asked_; do
			find_born "$stray_pid_" || continue
			stray_born_=$BORN
			[ "$stray_born_" -ge "$stray_tick_" ] || continue
			# Most start scripts end in exec: from then on its pid alone tells, so who was seen once is remembered.
			! grep -qxF "$stray_pid_ $stray_born_" "$stray_file_.seen" 2>/dev/null || continue
			exec_is_successor "$stray_pid_" || continue
			echo "$stray_pid_ $stray_born_" >>"$stray_file_.seen"
		done
		[ -f "$stray_file_.seen" ] || continue
		while read -r stray_pid_ stray_born_; do
			[ "$stray_rc_" -ne 2 ] && [ "$stray_pid_" != "$stray_main_" ] || continue
			! same_process "$stray_pid_" "$stray_born_" || echo "$stray_pid_"
		done <"$stray_file_.seen"
	done
	[ "$stray_rc_" -ne 2 ] || return 2
}

exec_is_successor() { # PID: a child of the process that hands over (in stray_old_, stray_file_) is one: by its start path, by the version it runs, or because it calls itself what that process calls itself, which no child of it did when it was asked
	kv_value "$CONTRACT" switch.start || VALUE=.
	! exec_arguments "$1" | grep -qF "$ROOT/current/$VALUE" || return 0
	kv_value "$stray_file_" born && same_process "$stray_old_" "$VALUE" || return 0
	successor_paths_=$(exec_paths "$1")
	while IFS= read -r successor_path_; do
		case $successor_path_ in "$ROOT/versions/${stray_file_##*/hand-over.}" | "$ROOT/versions/${stray_file_##*/hand-over.}/"*) return 0 ;; esac
	done <<-END
		$successor_paths_
	END
	successor_name_=$(exec_name "$1")
	[ "$successor_name_" = "$(exec_name "$stray_old_")" ] && ! grep -qxF "$successor_name_" "$stray_file_.known" 2>/dev/null
}

exec_name() { # PID: print what tells its arguments from others
	exec_arguments "$1" | cksum
}

exec_orphans() { # print pids of processes born since stray_tick_ that carry our pid file in their environment (manager process: systemd ends such ones itself)
	! manager_is process || exec_given "$stray_tick_"
}

exec_elsewhere() { # VERSION TICK: print pids of processes born since then that work in that version's directory: successors that forked, as daemons do
	for elsewhere_ in /proc/[0-9]*; do
		find_born "${elsewhere_#/proc/}" || continue
		elsewhere_born_=$BORN
		[ "$elsewhere_born_" -ge "$2" ] || continue
		for elsewhere_path_ in "$(readlink "$elsewhere_/exe" 2>/dev/null || :)" "$(readlink "$elsewhere_/cwd" 2>/dev/null || :)"; do
			case $elsewhere_path_ in "$ROOT/versions/$1" | "$ROOT/versions/$1/"*) ;; *) continue ;; esac
			echo "${elsewhere_#/proc/}"
			break
		done
	done
}

exec_serves_elsewhere() { # VERSION TICK: 0 when there is one
	[ -n "$(exec_elsewhere "$1" "$2")" ]
}

exec_may_come() { # VERSION: of a successor that was seen and is no child any more (of the process in swap_old_, swap_tick_): it is the main process, or that is unknown, or something still lives that may become it, also one that made a daemon of itself in another directory
	come_main_=$(manager_main_pid) || [ $? -eq 1 ] || return 0
	[ -z "$come_main_" ] || [ "$come_main_" = "$swap_old_" ] || return 0
	! exec_serves_elsewhere "$1" "$swap_tick_" || return 0
	come_given_=$(exec_given "$swap_tick_") || return 0
	for come_pid_ in $come_given_; do
		is_below "$come_pid_" "$swap_old_" || ! find_born "$come_pid_" || return 0
	done
	return 1
}

exec_given() { # TICK: print pids of processes that the service started since then: they have our pid file in their environment and no terminal (systemd: are in the unit; 2 when it does not say which these are)
	if manager_is systemd; then
		systemd_group || { [ $? -eq 1 ] && return 0 || return 2; }
		for given_pid_ in /proc/[0-9]*; do
			given_pid_=${given_pid_#/proc/}
			find_born "$given_pid_" && [ "$BORN" -ge "$1" ] && systemd_owns "$given_pid_" || continue
			echo "$given_pid_"
		done
	else
		process_carriers "$1" | cut -d ' ' -f 1
	fi
}

exec_daemons() { # 2 when they are unknown: print pids of successors that made daemons of themselves and are not ready, while the process that was asked is the main one still: of the service, of the new version, born since, and not below that process. With reuseport what we started tells its version wherever it works; with the others it may also be what the service started since we saw a successor and shows no other version
	daemons_main_=$(manager_main_pid) || return
	! manager_is systemd || systemd_group || return
	for daemons_file_ in "$TRIAL"/hand-over.*; do
		case $daemons_file_ in *.seen | *.stopping | *.known) continue ;; esac
		[ "$(kv_get "$daemons_file_" pid || :)" = "$daemons_main_" ] && kv_value "$daemons_file_" born && same_process "$daemons_main_" "$VALUE" || continue
		kv_value "$daemons_file_" tick
		daemons_tick_=$VALUE
		daemons_version_=${daemons_file_##*/hand-over.}
		{
			exec_elsewhere "$daemons_version_" "$daemons_tick_"
			if strategy_is reuseport; then
				! manager_is process || process_carriers "$daemons_tick_" "CUTOVER_VERSION=$daemons_version_" | cut -d ' ' -f 1
			elif { read -r _ daemons_seen_ <"$daemons_file_.seen"; } 2>/dev/null; then
				exec_given "$daemons_seen_" | while read -r daemons_pid_; do ! exec_runs "$daemons_pid_" "$daemons_version_" 0 || echo "$daemons_pid_"; done
			fi
		} | while read -r daemons_pid_; do
			! exec_is_given "$daemons_pid_" || is_below "$daemons_pid_" "$daemons_main_" || echo "$daemons_pid_"
		done
	done
}

exec_is_given() { # PID: it is one of those since daemons_tick_. A program of ours alone may be a job of cron or of a person
	if manager_is systemd; then
		systemd_owns "$1"
	else
		exec_given "$daemons_tick_" | grep -qx "$1"
	fi
}

is_below() { # PID ANCESTOR: it is that process, or one that it started, or one that such a one started
	below_pid_=$1
	while [ "$below_pid_" -gt 1 ]; do
		[ "$below_pid_" != "$2" ] || return 0
		find_stat "$below_pid_" || return 1
		below_pid_=${STAT_FIELDS#* }
		below_pid_=${below_pid_%% *}
	done
	return 1
}

exec_none_left() { # VERSION: neither the process that was asked (in swap_old_, swap_born_, swap_tick_) lives nor anybody who serves or may still get to: nobody born since carries our pid file or works in VERSION, and the unit has ended, so that systemd starts none
	! same_process "$swap_old_" "$swap_born_" && says_no manager_main_pid || return 1
	if manager_is systemd; then
		none_unit_=$(systemd_units service | head -n 1)
		case $(systemd_ask show -p ActiveState --value "$none_unit_" || :) in inactive | failed) ;; *) return 1 ;; esac
	fi
	stray_tick_=$swap_tick_
	[ -z "$(exec_orphans)" ] && ! exec_serves_elsewhere "$1" "$swap_tick_"
}

exec_end_strays() { # end successors that never got ready, and what they leave: one that comes late would serve beside the version we chose. 2 with WHY and EVIDENCE when it is unknown who is one
	end_orphans
	end_strays_before_=
	for _ in 1 2 3 4 5; do # what is a child of one that ends is a daemon at the next look
		exec_find_strays && exec_end_found || {
			manager_unanswered
			return 2
		}
		[ -n "$STRAYS" ] && [ "$STRAYS" != "$end_strays_before_" ] || return 0 # none, or those that nothing ends
		end_strays_before_=$STRAYS
	done
}

exec_find_strays() { # all of them, into STRAYS; 2 when that is unknown
	find_names
	STRAYS=
	find_strays_rc_=0
	if [ "$STRATEGY/$MANAGER" = reuseport/systemd ]; then
		until_answered reuseport_end_coming || find_strays_rc_=$?
	fi
	# Children first: they become daemons, and no daemon a child. What is not answered once is not asked for as long again (P8).
	[ "$find_strays_rc_" -eq 2 ] || STRAYS=$(until_answered exec_strays) || find_strays_rc_=$?
	if [ "$find_strays_rc_" -ne 2 ] && [ "$STRATEGY/$MANAGER" != reuseport/systemd ]; then
		find_strays_also_=$(until_answered exec_daemons) || find_strays_rc_=$?
		STRAYS="$STRAYS $find_strays_also_"
	fi
	STRAYS=${STRAYS# }
	[ "$find_strays_rc_" -ne 2 ] || return 2
}

exec_end_found() { # those of STRAYS end that are not the main process by now; 2 when that is unknown
	for end_stray_ in $STRAYS; do
		find_born "$end_stray_" || continue
		end_stray_born_=$BORN
		# It may get ready at this very moment and hold requests: it is asked first.
		if strategy_is takeover; then
			takeover_end_stray "$end_stray_" "$end_stray_born_" || return
		else
			end_is_main_=0
			manager_main_is "$end_stray_" || end_is_main_=$?
			case $end_is_main_ in
				1) exec_stop "$end_stray_" "$end_stray_born_" 1 ;;
				2) return 2 ;;
			esac
		fi
	done
}
