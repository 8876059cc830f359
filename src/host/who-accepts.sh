# Who accepts connections: read from /proc, for strategies where listeners stay open and only the processes behind them change. For our
# own processes and for root.

children_of() { # PID: print the pids of its children
	cat "/proc/$1"/task/*/children 2>/dev/null || :
}

catches() { # PID SIGNAL: 0 when it handles that signal, or holds it back while it executes itself again; most signals end a process that does neither
	in_mask "Sig[CB][gl][tk]" "/proc/$1/status" "$2"
}

holds_back() { # PID SIGNAL: 0 while that signal would wait: all its threads block it (one in sigwait shows that it does not), and no signalfd reads it, as some do all their life
	in_mask SigBlk "/proc/$1/status" "$2" || return 1
	for holds_task_ in "/proc/$1/task"/*; do
		[ -d "$holds_task_" ] || continue
		in_mask SigBlk "$holds_task_/status" "$2" || return 1
	done
	for holds_fd_ in $(ls -l "/proc/$1/fd" 2>/dev/null | awk '$NF == "anon_inode:[signalfd]" { print $(NF - 2) }'); do
		! in_mask sigmask "/proc/$1/fdinfo/$holds_fd_" "$2" || return 1
	done
}

in_mask() { # PATTERN FILE SIGNAL: 0 when the signal is in a mask of that name in that file of a process
	case $3 in
		HUP) mask_bit_=0 ;;
		INT) mask_bit_=1 ;;
		QUIT) mask_bit_=2 ;;
		USR1) mask_bit_=9 ;;
		USR2) mask_bit_=11 ;;
		TERM) mask_bit_=14 ;;
		WINCH) mask_bit_=27 ;;
		*) return 1 ;;
	esac
	# The lower 32 of 64 bits: not every shell computes with all of them.
	for mask_ in $(sed -n "s/^$1:[[:space:]]*[0-9a-f]*\([0-9a-f]\{8\}\)\$/\1/p" "$2" 2>/dev/null); do
		[ $(((0x$mask_ >> mask_bit_) & 1)) -eq 0 ] || return 0
	done
	return 1
}

has_pending_signal() { # PID: 0 while a signal was sent to it that it has not looked at yet
	sed -n 's/^S[ih][gd]Pnd:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null | grep -qv '^0*$'
}

is_fork_of() { # PARENT PID: 0 when it goes on as what it was forked from, as workers do: its stack and its arguments lie where those of its parent do, and the kernel places them anew for whoever executes a program. Also 0 where it does not tell
	fork_places_=
	for fork_pid_ in "$1" "$2"; do
		find_stat "$fork_pid_" || return 0
		# shellcheck disable=SC2086 # these fields are words
		set -- $STAT_FIELDS
		[ $# -ge 46 ] && [ "${26}" != 0 ] || return 0
		fork_places_="$fork_places_ ${26}/${46}"
	done
	[ "${fork_places_% *}" = " ${fork_places_##* }" ]
}

listening_of() { # PID: print the descriptors on which it listens, one a line
	{
		cat "/proc/$1/net/tcp" "/proc/$1/net/tcp6" | awk '$4 == "0A" { print "socket:[" $10 "]" }'
		awk '$4 == "00010000" { print "socket:[" $7 "]" }' "/proc/$1/net/unix"
		echo --
		ls -l "/proc/$1/fd"
	} 2>/dev/null | awk '$1 == "--" { files = 1; next } !files { listens[$1]; next } $NF in listens { print $(NF - 2) }'
}

accepts() { # PID: 0 when it waits for connections on a socket on which it listens
	accepts_on_=$(listening_of "$1")
	[ -n "$accepts_on_" ] || return 1
	for accepts_epoll_ in $(ls -l "/proc/$1/fd" 2>/dev/null | awk '$NF == "anon_inode:[eventpoll]" { print $(NF - 2) }'); do
		for accepts_fd_ in $accepts_on_; do
			! grep -q "^tfd: *$accepts_fd_ " "/proc/$1/fdinfo/$accepts_epoll_" 2>/dev/null || return 0
		done
	done
	# Without epoll only what it sleeps in tells, and one that is still starting may sleep there for a moment.
	find_born "$1" || return 1
	accepts_born_=$BORN
	[ $(($(clock_tick) - accepts_born_)) -ge "$(getconf CLK_TCK 2>/dev/null || echo 100)" ] || return 1
	find_stat "$1" || return 1
	case $STAT_FIELDS in S*) ;; *) return 1 ;; esac
	accepts_in_=$(cat "/proc/$1/wchan" 2>/dev/null) || accepts_in_=
	case $accepts_in_ in
		*select* | *sys_poll* | *schedule_timeout* | *accept*) return 0 ;;
		'' | 0) return 0 ;; # this kernel does not tell
	esac
	return 1
}

any_accepts() { # PID…: 0 when one of them accepts
	for any_ in "$@"; do
		! accepts "$any_" || return 0
	done
	return 1
}

wait_quiet() { # SECONDS FUNCTION ARG…: until none of the pids that the function prints accepts; 1 when some still do after that time
	uptime_cs
	quiet_by_=$((UPTIME_CS + $1 * 100))
	quiet_looks_=0
	shift
	while :; do
		uptime_cs # before the look
		quiet_at_=$UPTIME_CS
		quiet_listens_=
		for quiet_pid_ in $("$@"); do
			[ -z "$(listening_of "$quiet_pid_")" ] || quiet_listens_=yes
			if accepts "$quiet_pid_"; then quiet_looks_=-1; fi
		done
		# One that is busy with a request holds its listener and does not wait on it: a single look proves nothing.
		[ -n "$quiet_listens_" ] || return 0
		quiet_looks_=$((quiet_looks_ + 1))
		[ "$quiet_looks_" -lt 10 ] || return 0
		still_decided || return 1
		if [ "$quiet_at_" -ge "$quiet_by_" ]; then
			WHY=old-serves-on
			EVIDENCE="pid $("$@" | tr '\n' ' ')still accepts connections"
			return 1
		fi
		nap
	done
}
