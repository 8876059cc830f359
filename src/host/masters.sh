# The masters of a service under strategy signal: who they are, how they and their workers end, and what their pid files say. nginx renames
# the file of the old master to NAME.oldbin, gunicorn writes that of the new one to NAME.2, as long as both live.

signal_pid_file() { # set MASTER_FILE, where the masters write their pid
	if manager_is systemd; then
		kv_value "$CONTRACT" switch.pid-file
		MASTER_FILE=$VALUE
	else
		process_files
		MASTER_FILE=$PID_FILE
	fi
}

signal_read_pid() { # FILE: print the pid in it; nothing when there is none. The service wrote it: it may be anything
	[ -f "$1" ] || return 0
	# A FIFO that took its place would hold us up, and a line without an end would fill our memory.
	read_pid_=$(timeout 5 head -c 32 "$1" 2>/dev/null | head -n 1) || :
	case $read_pid_ in '' | *[!0-9]*) ;; *) echo "$read_pid_" ;; esac
}

signal_is_ours() { # PID: it lives and belongs to the service: we never signal what only a file of the service names; 2 when that is unknown
	process_born "$1" >/dev/null || return 1
	if manager_is systemd; then systemd_owns "$1"; else process_is_ours "$1"; fi
}

signal_understands() { # PID: it handles the signal that asks for a successor; 1 with WHY and EVIDENCE
	kv_value "$CONTRACT" switch.upgrade-signal || VALUE=USR2
	understands_=$VALUE
	WHY=cannot-hand-over EVIDENCE="the running pid $1 does not handle $understands_, which strategy signal sends it: first release a version that handles it, once with strategy restart"
	catches "$1" "$understands_"
}

signal_is_master() { # PID: it has workers, or got ready by this strategy, which takes some; 1 with WHY and EVIDENCE. What handles a signal does not tell: Go's programs handle all of them, and end by most
	signal_was_ready || signal_has_workers "$1" && return 0
	WHY=cannot-hand-over
	EVIDENCE="the running pid $1 has no worker that listens, and strategy signal is for masters that have: asked by USR2 they start a new master, by WINCH they end their workers, by HUP they bring them back, as nginx and gunicorn do. Keep the strategy that it has, or first release a version that is such a master, once with strategy restart"
	return 1
}

signal_was_ready() { # what is current was confirmed or committed here, by a contract with this strategy
	read_current "$ROOT" && units_contract "$CURRENT" && [ "$(kv_get "$UNITS_CONTRACT" switch.strategy || :)" = signal ] || return 1
	[ "$(kv_get "$T_DIR/committed" version || :)" != "$CURRENT" ] || return 0
	trial_is "$T_COMPONENT" confirmed && [ "$(trial_get "$T_COMPONENT" to || :)" = "$CURRENT" ]
}

signal_has_workers() { # PID: within three looks and a second one of its children holds a listener, or it is gone
	uptime_cs
	has_by_=$((UPTIME_CS + 100))
	has_looks_=0
	while find_born "$1"; do
		for has_worker_ in $(children_of "$1"); do
			[ -z "$(listening_of "$has_worker_")" ] || return 0
		done
		uptime_cs
		has_looks_=$((has_looks_ + 1))
		[ "$has_looks_" -lt 3 ] || [ "$UPTIME_CS" -lt "$has_by_" ] || return 1
		nap
	done
}

signal_masters() { # print the pids of the living masters, the newest first; 2 when of one it is unknown whether it is ours
	signal_pid_file
	masters_=' '
	masters_rc_=0
	for masters_path_ in "$MASTER_FILE.2" "$MASTER_FILE" "$MASTER_FILE.oldbin"; do
		masters_pid_=$(signal_read_pid "$masters_path_")
		case $masters_ in *" ${masters_pid_:-none} "*) continue ;; esac
		signal_is_ours "$masters_pid_" || {
			[ $? -ne 2 ] || masters_rc_=2
			continue
		}
		masters_="$masters_$masters_pid_ "
		echo "$masters_pid_"
	done
	return "$masters_rc_"
}

signal_main_pid() { # print the newest living master, 1 when there is none, 2 when that is unknown. They rename their pid files, or write them anew: while one lives, a look that finds none proves nothing, nor do two without that file
	signal_pid_file
	main_looks_=0
	while :; do
		main_masters_=$(signal_masters) || return
		[ -z "$main_masters_" ] || break
		main_looks_=$((main_looks_ + 1))
		[ "$main_looks_" -lt 20 ] && { [ "$main_looks_" -lt 2 ] || [ ! -s "$MASTER_FILE" ]; } || return 1
		signal_known_lives || return
		nap
	done
	echo "${main_masters_%%"$NL"*}"
}

signal_known_lives() { # 0 while a master lives that does not need its pid file to be known: systemd's main process, or the one that we saw ready; 2 when that is unknown
	if manager_is systemd; then
		systemd_main_pid >/dev/null
	else
		process_files
		kv_raw "$PROCESS_FILE" ready && kv_raw "$PROCESS_FILE" pid && process_is_ours "$RAW"
	fi
}

signal_workers() { # MASTER: print its children that are no masters themselves
	workers_masters_=" $(signal_masters | tr '\n' ' ')"
	for workers_pid_ in $(children_of "$1"); do
		case $workers_masters_ in *" $workers_pid_ "*) ;; *) echo "$workers_pid_" ;; esac
	done
}

signal_serves() { # MASTER [PIDS]: 0 when a worker of it accepts; none of PIDS is one
	for serves_pid_ in $(signal_workers "$1"); do
		case " ${2-} " in *" $serves_pid_ "*) continue ;; esac
		! accepts "$serves_pid_" || return 0
	done
	return 1
}

signal_serves_soon() { # MASTER [PIDS]: the same, of one whose workers may be busy right now: while one holds its listener, three looks and a second
	uptime_cs
	soon_by_=$((UPTIME_CS + 100))
	soon_looks_=0
	until signal_serves "$@"; do
		soon_looks_=$((soon_looks_ + 1))
		uptime_cs
		[ "$soon_looks_" -lt 3 ] || [ "$UPTIME_CS" -lt "$soon_by_" ] || return 1
		soon_holds_=
		for soon_pid_ in $(signal_workers "$1"); do
			case " ${2-} " in *" $soon_pid_ "*) ;; *) [ -z "$(listening_of "$soon_pid_")" ] || soon_holds_=yes ;; esac
		done
		[ -n "$soon_holds_" ] || return 1
		nap
	done
}

# ---- ending them -------------------------------------------------------------

signal_end_master() { # PID: it ends by the stop signal, by force after switch.stop-seconds, and with it its workers
	find_born "$1" || return 0
	end_master_born_=$BORN
	end_master_workers_=
	for end_master_pid_ in $(signal_workers "$1"); do
		end_master_workers_="$end_master_workers_$end_master_pid_ $(process_born "$end_master_pid_" || echo gone)$NL"
	done
	end_note_workers "$1" "$end_master_born_" "$end_master_workers_"
	end_process "$1" "$end_master_born_" "$(kv_get "$CONTRACT" switch.stop-signal || echo QUIT)" "$(contract_number switch.stop-seconds 30)"
	end_workers "$end_master_workers_"
}

signal_end_others() { # MAIN: of the masters only this one stays; 1 with WHY and EVIDENCE when systemd would lose it over that
	for end_others_pid_ in $(signal_masters); do
		[ "$end_others_pid_" != "$1" ] || continue
		signal_keep_unit "$1" || return 1
		signal_end_master "$end_others_pid_"
	done
}

signal_end_orphans() { # [VERSION]: what runs a program of that version (of any) and belongs to no living master ends: workers whose master was killed
	orphans_masters_=" $(signal_masters | tr '\n' ' ')"
	kv_value "$CONTRACT" switch.stop-signal || VALUE=QUIT
	orphans_signal_=$VALUE
	orphans_=
	for orphans_pid_ in $(signal_running "${1-}"); do
		find_born "$orphans_pid_" || continue
		orphans_born_=$BORN
		orphans_parent_=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$orphans_pid_/status" 2>/dev/null) || continue
		case $orphans_masters_ in *" $orphans_pid_ "* | *" $orphans_parent_ "*) continue ;; esac
		kill -s "$orphans_signal_" "$orphans_pid_" 2>/dev/null || :
		orphans_="$orphans_$orphans_pid_ $orphans_born_$NL"
	done
	while read -r orphans_pid_ orphans_born_; do
		[ -z "$orphans_pid_" ] || end_process "$orphans_pid_" "$orphans_born_" "$orphans_signal_" "$(contract_number switch.stop-seconds 30)"
	done <<-END
		$orphans_
	END
}

signal_running() { # [VERSION]: print the pids of processes whose program lies in that version, or in any
	# The listing finds them at once; a path in it may hold line ends and lie about others, so each one found is looked at by itself.
	# shellcheck disable=SC2012 # names of /proc
	for running_pid_ in $(ls -l /proc/[0-9]*/exe 2>/dev/null | awk -v below="$ROOT/versions/${1:+$1/}" '
		{ at = index($0, " -> "); if (!at || index(substr($0, at + 4), below) != 1) next
		$0 = substr($0, 1, at - 1); split($NF, part, "/"); if (part[3] ~ /^[0-9]+$/) print part[3] }'); do
		case $(readlink "/proc/$running_pid_/exe" 2>/dev/null || :) in "$ROOT/versions/${1:+$1/}"*) echo "$running_pid_" ;; esac
	done
}

# ---- pid files ---------------------------------------------------------------

signal_settle() { # the masters put their pid files back by themselves; what names a dead one goes, and one that is missing is written
	signal_pid_file
	uptime_cs
	settle_by_=$((UPTIME_CS + 500))
	while :; do
		settle_side_=
		for settle_path_ in "$MASTER_FILE.2" "$MASTER_FILE.oldbin"; do
			[ -f "$settle_path_" ] || continue
			if ! says_no signal_is_ours "$(signal_read_pid "$settle_path_")"; then settle_side_=yes; else rm -f "$settle_path_"; fi
		done
		settle_main_=$(signal_main_pid) || return 0
		if [ -z "$settle_side_" ] && [ "$(signal_read_pid "$MASTER_FILE")" = "$settle_main_" ]; then return 0; fi
		uptime_cs
		[ "$UPTIME_CS" -lt "$settle_by_" ] || break
		nap
	done
	[ "$(signal_read_pid "$MASTER_FILE")" = "$settle_main_" ] || signal_name_main "$settle_main_" || :
}

signal_keep_unit() { # MAIN: when its other master ends, systemd looks into the pid file for the one that stays, and stops the unit when it finds none
	manager_is systemd || return 0
	signal_pid_file
	[ "$(systemd_main_pid || :)" != "$1" ] || return 0
	keep_unit_=$(systemd_units service | head -n 1)
	keep_file_=$(until_answered systemd_answer show -p PIDFile --value "$keep_unit_") || {
		manager_unanswered "which PIDFile= $keep_unit_ has"
		return 1
	}
	WHY=unit-changed EVIDENCE="$keep_unit_ has no PIDFile=$MASTER_FILE any more: systemd would stop it when the old master ends"
	[ "$keep_file_" = "$MASTER_FILE" ] || return 1
	[ "$(signal_read_pid "$MASTER_FILE")" = "$1" ] || signal_name_main "$1"
}

signal_name_main() { # PID: the pid file names it; 1 with WHY and EVIDENCE
	signal_pid_file
	WHY=cannot-write EVIDENCE="cannot write $MASTER_FILE"
	name_directory_=${MASTER_FILE%/*}
	# Where the directory is the service's own, the file is made in root's above it and moved in: that follows no link.
	[ "$(stat -c %u "$name_directory_" 2>/dev/null)" = "$MY_UID" ] || name_directory_=${name_directory_%/*}
	name_new_=$(mktemp "$name_directory_/.cutover-pid.XXXXXX") || return 1
	{ echo "$1" >"$name_new_" && chmod 644 "$name_new_" && mv -fT "$name_new_" "$MASTER_FILE"; } 2>/dev/null && return 0
	rm -f "$name_new_"
	return 1
}
