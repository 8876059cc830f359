# events.sh: what a step did, told to whoever asks, also after the connection was lost that submitted it.

# events RUN STEP [AFTER]: every event after AFTER as it comes, a heartbeat every 5 s; `ended` when the runner ended, `lost` when it has no result
# and nobody works on it.
verb_events() {
	{ [ $# -ge 2 ] && [ $# -le 3 ] && is_run "$1" && is_step "$2" && is_number "${3:-0}"; } || fail 64 bad-request "events RUN STEP [AFTER]"
	need_fence 0
	[ "$1" = "$FENCE_RUN" ] || fail 77 run-differs "the session is fenced for run $FENCE_RUN"
	JOB=$STATE/runs/$1/$2
	[ -d "$JOB" ] || fail 66 no-such-step "run $1 has no step $2 here"
	exec 4<"$JOB/events"
	exec 7<>"$SESSION_DIR/bell"
	exec 8<"$SESSION_DIR/bell"
	exec 7>&-
	TICK=
	_part=
	uptime_cs
	_beat=$UPTIME_CS
	_look=$((UPTIME_CS + 50))
	while :; do
		_ended=
		[ ! -e "$JOB/result" ] || _ended=ended
		if [ -z "$_ended" ] && [ "$UPTIME_CS" -ge "$_look" ]; then
			_look=$((UPTIME_CS + 100))
			! step_is_lost || _ended=lost
			[ ! -e "$JOB/result" ] || _ended=ended
		fi
		_seen=
		while IFS= read -r _line <&4; do
			_seen=1
			_line=$_part$_line
			_part=
			[ "${_line%%"$TAB"*}" -le "${3:-0}" ] || printf '%s\t+\t%s\n' "$REQUEST_ID" "$_line" >&3
		done
		_part=$_part$_line # long evidence is written in pieces: what has no end yet
		if [ -n "$_ended" ]; then
			[ -z "$TICK" ] || kill -s KILL "$TICK" 2>/dev/null || :
			ok "$_ended"
			return 0
		fi
		uptime_cs
		if [ -n "$_seen" ]; then
			_beat=$UPTIME_CS
		elif [ $((UPTIME_CS - _beat)) -ge 500 ]; then
			_beat=$UPTIME_CS
			printf '%s\t+\t.\n' "$REQUEST_ID" >&3
			printf '%s\n' "$REQUEST_COUNT.$UPTIME_CS" >"$SESSION_DIR/activity"
		fi
		wait_for_bell
		uptime_cs
	done
}

# wait_for_bell: until a runner rings, a second at most. What sleeps holds the bell open for writing and is the only process that this takes: with
# its end the bell reads as ended.
wait_for_bell() {
	if [ -z "$TICK" ]; then
		exec 7<>"$SESSION_DIR/bell"
		# shellcheck disable=SC2217 # it must not hold the requests either
		sleep 1 </dev/null >&7 2>/dev/null 3>&- 4<&- 5>&- 7>&- 8<&- &
		TICK=$!
		exec 7>&-
	fi
	read -r _ <&8 || TICK=
}

# ring_bells: tells every session that something was written for those who wait. Opened for reading too, a bell never makes its ringer wait; where
# nobody waits it rings unheard, and what it could not hold (a step has no 64 KiB of events) a session sees within its second.
ring_bells() {
	for _bell in "$STATE"/incoming/.session-*/bell; do
		[ ! -p "$_bell" ] || { echo 1<>"$_bell"; } 2>/dev/null || :
	done
}

# step_is_lost: it was started and nobody holds its lock any more, or it was never started although there was time.
step_is_lost() {
	if [ -e "$JOB/started" ]; then
		(flock -n 6) 6>>"$JOB/lock"
		return
	fi
	read -r _at _boot <"$JOB/submitted"
	boot_id
	[ "$_boot" = "$BOOT_ID" ] || return 0
	[ $((UPTIME_CS - _at)) -ge 1500 ]
}
