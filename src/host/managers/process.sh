# Manager `process`: host.sh itself starts the service, for hosts and labs without systemd. The service writes its pid to
# CUTOVER_PID_FILE when it is ready to serve; `process` beside it remembers what was started (pid, start time, boot), against pid reuse.

process_files() { # set PID_FILE, PROCESS_FILE, PROCESS_LOG and TAKEOVER_SOCKET
	TAKEOVER_SOCKET=$STATE/components/$T_COMPONENT/takeover/socket
	PID_FILE=$STATE/components/$T_COMPONENT/pid
	PROCESS_FILE=$STATE/components/$T_COMPONENT/process
	PROCESS_LOG=$STATE/components/$T_COMPONENT/log
}

process_record() { # PID [ready]: remember this process as the one that is ours, and that it was ready
	process_files
	boot_id
	find_born "$1" || return 1
	record_born_=$BORN
	(write_file "$PROCESS_FILE" "boot-id $BOOT_ID${NL}born $record_born_${NL}pid $1${2:+${NL}ready yes}")
}

process_is_ours() { # PID: it lives and is what we started, or was handed our pid file by what we started
	process_files
	find_born "$1" || return 1
	ours_born_=$BORN
	if kv_raw "$PROCESS_FILE" pid && [ "$RAW" = "$1" ]; then
		boot_id
		kv_raw "$PROCESS_FILE" born && [ "$RAW" = "$ours_born_" ] && kv_raw "$PROCESS_FILE" boot-id && [ "$RAW" = "$BOOT_ID" ] && return 0
	fi
	! { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null | grep -qxF "CUTOVER_PID_FILE=$PID_FILE" || return 0
	# Programs that show a title of their own (nginx) write it over their environment.
	case $(readlink "/proc/$1/exe" 2>/dev/null || :) in "$ROOT/versions/"*) return 0 ;; esac
	return 1
}

process_main_pid() { # print the pid that the service wrote when it was ready, while that process lives
	process_written_pid || process_rewriting
}

process_written_pid() { # the same, only of what its file says now
	process_files
	main_pid_=
	{ read -r main_pid_ <"$PID_FILE"; } 2>/dev/null || [ -n "$main_pid_" ] || return 1 # some write it without the end of the line
	process_is_ours "$main_pid_" || return 1
	echo "$main_pid_"
}

process_rewriting() { # with reload the main process stays, and whatever it is told to load, it removes its pid file for a moment: print its pid even so. It is whom this trial has asked, or whom we saw ready and who, or a child of whom, listens; 1 when there is none
	strategy_is reload && process_files && [ ! -s "$PID_FILE" ] || return 1
	for rewriting_file_ in "${TRIAL:-/none}"/hand-over.*; do
		kv_value "$rewriting_file_" pid || continue
		rewriting_pid_=$VALUE
		kv_value "$rewriting_file_" born && same_process "$rewriting_pid_" "$VALUE" || continue
		echo "$rewriting_pid_"
		return 0
	done
	kv_raw "$PROCESS_FILE" ready && kv_raw "$PROCESS_FILE" pid || return 1
	rewriting_pid_=$RAW
	process_is_ours "$rewriting_pid_" || return 1
	for rewriting_of_ in "$rewriting_pid_" $(children_of "$rewriting_pid_"); do
		[ -n "$(listening_of "$rewriting_of_")" ] || continue
		echo "$rewriting_pid_"
		return 0
	done
	return 1
}

process_is_active() { # ready and alive
	process_main_pid >/dev/null
}

process_start() { # start ROOT/current/<start> unless it runs
	process_files
	if process_is_active; then return 0; fi
	file_size "$PROCESS_LOG"
	[ "$SIZE" -lt 1048576 ] || mv -fT "$PROCESS_LOG" "$PROCESS_LOG.1"
	rm -f "$PID_FILE"
	process_spawn || return 1
	process_record "$SPAWNED" || : # it does so itself, too, but perhaps not before somebody looks
}

process_mark_log() { # evidence begins with what is written from now on
	process_files
	file_size "$PROCESS_LOG"
	echo "$SIZE" >"$PROCESS_LOG.from" 2>/dev/null || : # only evidence reads it
}

process_bound_log() { # the log of a service that hands over for ever is never begun anew: what stands before its last 16 MiB goes, at a switch, or when somebody looks at the host. It is copied to .1 and cut off, which loses what is written in between, and only where the main process appends: another one would go on at its old offset. A link is the operator's
	process_files
	[ ! -L "$PROCESS_LOG" ] || return 0
	file_size "$PROCESS_LOG"
	[ "$SIZE" -ge 16777216 ] && bound_pid_=$(process_main_pid) && process_appends "$bound_pid_" || return 0
	rm -f "$PROCESS_LOG.1" # first, for the disk may be full of it
	# The copy takes no room that somebody else will need before the log gives back more: of a nearly full disk only a little.
	free_mb "$PROCESS_LOG"
	bound_keep_=16777216
	[ "${FREE_MB:-32}" -ge 32 ] || bound_keep_=1048576
	if tail -c "$bound_keep_" "$PROCESS_LOG" >"$PROCESS_LOG.1" 2>/dev/null; then
		{ printf '' >"$PROCESS_LOG"; } 2>/dev/null || return 0 # with : some shells would end here, and the switch with them
		rm -f "$PROCESS_LOG.from"
	else
		rm -f "$PROCESS_LOG.1"
	fi
}

process_tend_log() { # the same between two switches, unless somebody works on the component; use in a subshell
	process_files
	file_size "$PROCESS_LOG"
	[ "$SIZE" -lt 16777216 ] || ! component_lock "$T_COMPONENT" 0 || process_bound_log
}

process_appends() { # PID: whatever it writes into the log is added at the end; 1 also where we may not see that
	for appends_fd_ in "/proc/$1/fd"/*; do
		[ -L "$appends_fd_" ] || return 1
		# shellcheck disable=SC3013 # dash, bash and BusyBox know it
		[ "$appends_fd_" -ef "$PROCESS_LOG" ] || continue
		appends_=
		while read -r appends_key_ appends_flags_; do
			[ "$appends_key_" != flags: ] || [ $((appends_flags_ & 02000)) -eq 0 ] || appends_=yes
		done 2>/dev/null <"/proc/$1/fdinfo/${appends_fd_##*/}" || :
		[ -n "$appends_" ] || return 1
	done
}

process_spawn() { # [FILE]: run ROOT/current/<start> in a session of its own, with nothing of ours but the contract's env, beside whatever runs. It notes `pid born` in FILE first (without FILE: is recorded as ours), and holds our locks until then: whoever finds us killed finds it
	process_files
	WHY=start-missing
	EVIDENCE="the contract names no switch.start, or it is not executable"
	kv_value "$CONTRACT" switch.start || return 1
	start_=$VALUE
	[ -x "$ROOT/current/$start_" ] || return 1
	spawn_note_=${1-}
	process_mark_log
	mkdir -p "${TAKEOVER_SOCKET%/*}" || { WHY=cannot-write EVIDENCE="cannot create ${TAKEOVER_SOCKET%/*}"; return 1; }
	set --
	while read -r pair_; do
		[ -z "$pair_" ] || set -- "$@" "$pair_"
	done <<-END
		$(kv_list "$CONTRACT" env)
	END
	set -- "$@" PATH="$PATH" LC_ALL=C CUTOVER_ROOT="$ROOT" CUTOVER_START="$ROOT/current/$start_" CUTOVER_PID_FILE="$PID_FILE" \
		CUTOVER_ADDRESS="$ADDRESS" CUTOVER_VERSION="$(current_version "$ROOT" || :)" CUTOVER_TAKEOVER="$TAKEOVER_SOCKET"
	(
		if [ -n "$spawn_note_" ]; then
			own_pid
			find_born "$OWN_PID" && echo "$OWN_PID $BORN" >>"$spawn_note_" || exit 73
		else # a full disk stops no way back
			own_pid
			process_record "$OWN_PID" || :
		fi
		children_alone
		cd "$ROOT" && umask 022 && exec setsid env -i "$@" "$ROOT/current/$start_"
	) </dev/null >>"$PROCESS_LOG" 2>&1 &
	SPAWNED=$!
}

process_stop() { # switch.stop-signal to the main process (or what was started and never got ready, with what that started), KILL after switch.stop-seconds
	process_files
	stop_main_=$(manager_main_pid || :)
	stop_started_=$(kv_get "$PROCESS_FILE" pid || :)
	stop_pid_=${stop_main_:-$stop_started_}
	# An old master would bring its workers back when the new one ends.
	! strategy_is signal || signal_end_others "$stop_pid_"
	end_forced_=
	if process_is_ours "$stop_pid_" && stop_born_=$(process_born "$stop_pid_"); then
		end_process "$stop_pid_" "$stop_born_" "$(kv_get "$CONTRACT" switch.stop-signal || echo TERM)" "$(contract_number switch.stop-seconds 30)"
	fi
	# Who was seen ready ends what it started, or means it to stay, unless it had to be killed. What never got there may have made a daemon of itself that comes late.
	[ -n "$stop_main_" ] && [ "$stop_main_" = "$stop_started_" ] && [ -z "$end_forced_" ] || process_end_carriers
	rm -f "$PID_FILE"
	! strategy_is signal || { signal_end_orphans && rm -f "$PID_FILE.2" "$PID_FILE.oldbin"; }
}

process_carriers() { # TICK [VARIABLE=VALUE]: print `pid born` of processes born since that tick that carry our pid file (and that, too) in their environment; none of host.sh itself, which a service may have started, and none at a terminal, where a person looks after the service
	process_files
	carriers_also_=${2-CUTOVER_PID_FILE=$PID_FILE}
	# As root every process of the machine is asked: many at once, and whoever seems to by itself, since an environment may hold what looks like a heading.
	uptime_cs
	carrying_at_=$UPTIME_CS
	carrying_=$(process_born_since "$1" | xargs -n 200 timeout -k 2 5 tail -c +1 /dev/null 2>/dev/null | process_carrying)
	uptime_cs
	# One that the kernel keeps from being read took with it what was to be read after it: then each by itself.
	[ $((UPTIME_CS - carrying_at_)) -lt 500 ] || carrying_=$(process_born_since "$1" | while read -r carrying_path_; do timeout -k 1 1 tail -c +1 /dev/null "$carrying_path_" || :; done 2>/dev/null | process_carrying)
	for carrier_ in $carrying_; do
		find_born "$carrier_" || continue
		carrier_born_=$BORN
		carrier_environ_=$({ tr '\0' '\n' <"/proc/$carrier_/environ"; } 2>/dev/null) || continue
		carrier_environ_=$NL$carrier_environ_$NL
		case $carrier_environ_ in *"${NL}CUTOVER_PID_FILE=$PID_FILE$NL"*) ;; *) continue ;; esac
		case $carrier_environ_ in *"$NL$carriers_also_$NL"*) ;; *) continue ;; esac
		exec_arguments "$carrier_" | grep -qxF "$SELF" || echo "$carrier_ $carrier_born_"
	done
}

process_carrying() { # environments with their headings as `tail` prints them: print the pids of those that name our pid file
	tr '\0' '\n' | awk -v line="CUTOVER_PID_FILE=$PID_FILE" '
		/^==> \/proc\/[0-9]+\/environ <==$/ { split($2, part, "/"); next }
		$0 == line { print part[3] }'
}

process_born_since() { # TICK: print where the environment is of processes born since then that no terminal controls
	born_since_=$1
	for born_pid_ in /proc/[0-9]*; do
		find_born "${born_pid_#/proc/}" && [ "$BORN" -ge "$born_since_" ] || continue
		# shellcheck disable=SC2086 # these fields are words
		set -- $STAT_FIELDS
		[ "$5" != 0 ] || echo "$born_pid_/environ"
	done
}

process_end_carriers() { # what was started last, and all that came of it, ends: asked at once, by force after switch.stop-seconds
	carriers_since_=0
	boot_id
	if kv_raw "$PROCESS_FILE" boot-id && [ "$RAW" = "$BOOT_ID" ] && kv_raw "$PROCESS_FILE" born; then carriers_since_=$RAW; fi
	kv_value "$CONTRACT" switch.stop-signal || VALUE=TERM
	carriers_signal_=$VALUE
	contract_value switch.stop-seconds 30
	uptime_cs
	carriers_by_=$((UPTIME_CS + VALUE * 100))
	for _ in 1 2 3 4 5; do # one that forks while we look is seen by the next look
		carriers_=$(process_carriers "$carriers_since_")
		[ -n "$carriers_" ] || return 0
		for carriers_step_ in ask wait; do
			while read -r carriers_pid_ carriers_born_; do
				uptime_cs
				carriers_left_=$(((carriers_by_ - UPTIME_CS) / 100))
				[ "$carriers_left_" -ge 1 ] || carriers_left_=1
				case $carriers_step_ in
					ask) ! same_process "$carriers_pid_" "$carriers_born_" || kill -s "$carriers_signal_" "$carriers_pid_" 2>/dev/null || : ;;
					*) end_process "$carriers_pid_" "$carriers_born_" "$carriers_signal_" "$carriers_left_" ;;
				esac
			done <<-END
				$carriers_
			END
		done
	done
}

process_restart() { # stop, then start
	process_stop && process_start
}

process_condition() { # print ready, pending, or failed when what was started died before it was ready
	process_files
	if process_ready; then
		echo ready
	elif kv_raw "$PROCESS_FILE" pid && [ "$RAW" != "${ready_pid_:-none}" ] && process_is_ours "$RAW"; then
		echo pending
	elif process_rewriting >/dev/null; then
		echo pending
	elif process_ready; then # what was started made a daemon of itself: it ended after our first look, and wrote the pid before
		echo ready
	else
		echo failed
	fi
}

process_ready() { # the main process shows no other version than current's; it is recorded as ours. With reload it is the old one's all its life, and signal asks the newest master itself
	ready_pid_=$(process_written_pid) || return 1
	case $(strategy_name) in
		reload) ;;
		signal) ready_pid_=$(signal_main_pid) || return 1 ;;
		*) exec_runs "$ready_pid_" "$(current_version "$ROOT" || :)" 0 || return 1 ;;
	esac
	process_record "$ready_pid_" ready || :
}

process_status_evidence() { # pids and the last lines that were written since the switch began, or host.sh last started something: those of the version before only when there are none, and marked
	process_files
	echo "pid=$(process_main_pid || echo none) started=$(kv_get "$PROCESS_FILE" pid || echo none)"
	evidence_from_=0
	{ read -r evidence_from_ <"$PROCESS_LOG.from"; } 2>/dev/null || :
	file_size "$PROCESS_LOG"
	{ is_number "$evidence_from_" && [ "$evidence_from_" -le "$SIZE" ]; } || evidence_from_=0
	if [ "$evidence_from_" -gt 0 ] && [ "$evidence_from_" -eq "$SIZE" ]; then
		echo "nothing logged since the switch or the last start; before it:"
		evidence_from_=0
	fi
	tail -c "+$((evidence_from_ + 1))" "$PROCESS_LOG" 2>/dev/null | tail -n 20 | tail -c 2000
}
