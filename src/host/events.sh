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
	_part=
	uptime_cs
	_beat=$UPTIME_CS
	_look=$UPTIME_CS
	_pause=0.02
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
			ok "$_ended"
			return 0
		fi
		uptime_cs
		if [ -n "$_seen" ]; then
			_beat=$UPTIME_CS
			_pause=0.02
		elif [ $((UPTIME_CS - _beat)) -ge 500 ]; then
			_beat=$UPTIME_CS
			printf '%s\t+\t.\n' "$REQUEST_ID" >&3
			printf '%s\n' "$REQUEST_COUNT.$UPTIME_CS" >"$SESSION_DIR/activity"
		fi
		nap "$_pause"
		case $_pause in 0.02) _pause=0.05 ;; *) _pause=0.1 ;; esac
		uptime_cs
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
