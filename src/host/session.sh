# session.sh: one SSH exec. Tab-framed requests on stdin, replies on descriptor 3; payload bytes follow the request that announces them.
# Lines are read with the shell's own `read`, which takes no byte too many; every child gets another stdin.

PROTOCOL=1
MAX_LINE=65536
MAX_EPOCH_JUMP=1000
MAX_SESSIONS=64
# Characters; runs beyond that are forgotten, the oldest first.
MAX_EPOCH_RUNS=2000

# fence RUN EPOCH HOLDER: who writes. An epoch below the stored one is refused with the name of its holder, so is a second holder of the same
# epoch; a jump above 1000 is refused; else it is stored before anything else is done (P5).
verb_fence() {
	{ [ $# -eq 3 ] && is_run "$1" && is_number "$2" && is_holder "$3"; } || fail 64 bad-request "fence RUN EPOCH HOLDER"
	[ -z "${FENCE_RUN-}" ] || fail 64 bad-request "this session is fenced for run $FENCE_RUN already"
	with_host_lock store_fence "$@"
	printf '%s %s %s\n' "$1" "$2" "$3" >"$SESSION_DIR/fence"
	ok
}

store_fence() {
	read_epoch
	[ "$2" -ge "$EPOCH" ] || fail 75 stale-epoch "epoch $EPOCH is held by $HOLDER, yours is $2"
	if [ "$2" -eq "$EPOCH" ] && [ -n "$HOLDER" ] && [ "$HOLDER" != "$3" ]; then
		fail 75 stale-epoch "epoch $EPOCH is held by $HOLDER, not by $3"
	fi
	[ "$2" -le $((EPOCH + MAX_EPOCH_JUMP)) ] || fail 65 epoch-jump "epoch $2 is more than $MAX_EPOCH_JUMP above the stored $EPOCH"
	# Runs of one writer may work side by side: each stays known, so that none is taken for overtaken when another one speaks.
	_runs=$1
	if [ "$2" -eq "$EPOCH" ] && [ "$HOLDER" = "$3" ]; then
		! is_epoch_run "$1" || return 0
		[ -z "$EPOCH_RUNS" ] || _runs=$EPOCH_RUNS,$1
		[ "${#_runs}" -le "$MAX_EPOCH_RUNS" ] || _runs=${_runs#*,}
	fi
	TEXT=
	kv_add epoch "$2"
	kv_add holder "$3"
	kv_add run "$_runs"
	write_file "$STATE/epoch" "$TEXT"
}

# is_epoch_run RUN: after read_epoch; whether who holds the epoch has said that it works on that run.
is_epoch_run() {
	case ",$EPOCH_RUNS," in *",$1,"*) return 0 ;; *) return 1 ;; esac
}

# read_epoch: sets EPOCH (0 when none), HOLDER, EPOCH_RUNS (of this epoch, a comma between them, the newest last). A file that cannot be understood stops every writer.
read_epoch() {
	EPOCH=0
	HOLDER=
	EPOCH_RUNS=
	[ -e "$STATE/epoch" ] || return 0
	{ kv_raw "$STATE/epoch" epoch && is_number "$RAW"; } || fail 78 bad-epoch "$STATE/epoch is damaged"
	EPOCH=$RAW
	! kv_raw "$STATE/epoch" holder || HOLDER=$RAW
	! kv_raw "$STATE/epoch" run || EPOCH_RUNS=$RAW
}

# need_fence BYTES: ends the verb (after reading its payload away) when the session has no fence.
need_fence() {
	[ -n "${FENCE_RUN-}" ] || refuse "$1" 64 not-fenced "say fence first"
}

# check_epoch_still: under the writer lock, before something is stored: nobody with a higher epoch came since our fence.
check_epoch_still() {
	read_epoch
	[ "$EPOCH" -le "$FENCE_EPOCH" ] || fail 75 stale-epoch "epoch $EPOCH is held by $HOLDER, yours is $FENCE_EPOCH"
}

# session (entry word): greets, then answers until EOF, `bye`, a broken payload frame, or 600 s without a request.
word_session() {
	read -r SESSION_ID </proc/sys/kernel/random/uuid
	make_dir "$STATE/incoming"
	SESSION_DIR=$STATE/incoming/.session-$SESSION_ID
	REQUEST_COUNT=0
	trap 'end_session' EXIT
	trap 'exit 74' HUP INT TERM PIPE
	tidy_sessions
	mkdir "$SESSION_DIR" "$SESSION_DIR/doc" || fail 73 cannot-create "cannot create $SESSION_DIR"
	# One endless line must not eat the machine's memory.
	# shellcheck disable=SC3045 # every sh that we run under has it
	ulimit -S -v 2097152 2>/dev/null || :
	exec 3>&1 >/dev/null
	find_born $$ || BORN=
	_born=$BORN
	self_shell # once for all runners
	printf '%s %s\n' $$ "$_born" >"$SESSION_DIR/process"
	printf '0\n' >"$SESSION_DIR/activity"
	mkfifo "$SESSION_DIR/alive" "$SESSION_DIR/bell"
	exec 5<>"$SESSION_DIR/alive"
	exec 4<"$SESSION_DIR/alive"
	# A subshell, not a function call with redirections: dash would keep what it redirects open to restore it.
	(
		exec </dev/null 2>/dev/null 3>&- 5>&-
		watchdog $$ "$_born"
	) &
	exec 4<&-
	printf 'cutover-host\t%s\t%s\t%s\t%s\n' "$PROTOCOL" "$HOST_NAME" "$SESSION_ID" "$HOST_SH_VERSION" >&3
	while IFS= read -r LINE; do
		REQUEST_COUNT=$((REQUEST_COUNT + 1))
		printf '%s\n' "$REQUEST_COUNT" >"$SESSION_DIR/activity"
		uptime_cs
		REQUEST_START=$UPTIME_CS
		# Never `answer || …`: that would switch `set -e` off in every verb.
		answer
		[ "$GO_ON" = yes ] || break
	done
}

# answer: one request in LINE. Sets GO_ON, `no` ends the session.
answer() {
	GO_ON=no
	REQUEST_ID=${LINE%%"$TAB"*}
	case $REQUEST_ID in '' | *[!A-Za-z0-9._-]*) REQUEST_ID=- ;; esac
	[ "${#REQUEST_ID}" -le 64 ] || REQUEST_ID=-
	set +e
	(
		set -e
		trap - HUP INT TERM PIPE
		dispatch
	)
	_rc=$?
	set -e
	_replied=
	[ ! -f "$SESSION_DIR/replied" ] || read -r _replied <"$SESSION_DIR/replied" || :
	if [ "$_replied" != "$REQUEST_COUNT" ]; then
		ms_since "$REQUEST_START"
		printf '%s\terr\t%s\t70\tunexpected\t%s\n' "$REQUEST_ID" "$MS" "verb%20ended%20with%20$_rc" >&3
		# What it left unread of a payload would be taken for requests.
		return 0
	fi
	case $_rc in 76 | 200) return 0 ;; esac
	GO_ON=yes
	if [ -f "$SESSION_DIR/fence" ] && [ -z "${FENCE_RUN-}" ]; then
		read -r FENCE_RUN FENCE_EPOCH FENCE_HOLDER <"$SESSION_DIR/fence"
	fi
}

# dispatch: splits LINE into fields, decodes them, calls the verb. Only the verbs named here exist.
dispatch() {
	[ "${#LINE}" -le "$MAX_LINE" ] || fail 64 bad-request "a request line may have $MAX_LINE bytes"
	[ "$REQUEST_ID" != - ] || fail 64 bad-request "a request starts with an id of letters, digits, dots, dashes"
	case $LINE in *[!A-Za-z0-9._~:/@+=,%"$TAB"-]* | *"$TAB" | *"$TAB$TAB"*) fail 64 bad-request "a field is empty or not percent-encoded" ;; esac
	set --
	_rest=$LINE
	while :; do
		case $_rest in *"$TAB"*) _rest=${_rest#*"$TAB"} ;; *) break ;; esac
		unfield "${_rest%%"$TAB"*}" || fail 64 bad-request "a field is not percent-encoded"
		set -- "$@" "$VALUE"
		[ $# -le 8 ] || fail 64 bad-request "too many fields"
	done
	[ $# -ge 1 ] || fail 64 bad-request "no verb"
	_verb=$1
	shift
	case $_verb in
	probe) verb_probe ;;
	clock) verb_clock ;;
	fence) verb_fence "$@" ;;
	doc) verb_doc "$@" ;;
	offer) verb_offer "$@" ;;
	have) verb_have "$@" ;;
	put) verb_put "$@" ;;
	submit) verb_submit "$@" ;;
	events) verb_events "$@" ;;
	bye)
		ok
		exit 200
		;;
	*) fail 64 bad-request "unknown verb" ;;
	esac
}

# tidy_sessions: what sessions left that were killed together with their watchdog; more than 64 at a time are refused, for each may keep documents.
tidy_sessions() {
	_count=0
	for _dir in "$STATE/incoming"/.session-*; do
		[ -d "$_dir" ] || continue
		# One without a process is just being made, or was left by a power cut.
		if { read -r _pid _born <"$_dir/process"; } 2>/dev/null; then
			if same_process "$_pid" "$_born"; then _count=$((_count + 1)); else rm -rf "$_dir"; fi
		else
			_count=$((_count + 1))
			find "$_dir" -maxdepth 0 -mmin +60 -exec rm -rf {} + </dev/null 2>/dev/null || :
		fi
	done
	[ "$_count" -lt "$MAX_SESSIONS" ] || fail 75 busy "$_count sessions are open"
}

# watchdog PID BORN: ends a session that asked nothing for 600 s (or moved no payload frame to its end), and tidies up after one that was killed. It
# waits on a FIFO that the session holds open, so that it never outlives it.
watchdog() {
	trap - EXIT
	_last=
	while :; do
		_now=
		read -r _now <"$SESSION_DIR/activity" || return 0
		[ "$_now" != "$_last" ] || break
		_last=$_now
		uptime_cs
		_since=$UPTIME_CS
		timeout "$IDLE_SECONDS" cat <&4 >/dev/null 2>&1 || :
		ms_since "$_since"
		if [ "$MS" -lt "$((IDLE_SECONDS * 1000 - 20))" ]; then
			rm -rf "$SESSION_DIR"
			return 0
		fi
	done
	same_process "$1" "$2" || { rm -rf "$SESSION_DIR"; return 0; }
	kill -s TERM "$1" 2>/dev/null || :
	# A shell looks at signals when its child ends, and the child may wait for bytes that never come (T6).
	own_pid
	end_below "$1" "$OWN_PID"
	# That may have ended the session's own tidying up, too.
	rm -rf "$SESSION_DIR" || :
}

# end_below PID EXCEPT: ends everything that PID started and waits for, but EXCEPT.
end_below() {
	for _child in $(cat "/proc/$1/task/$1/children" 2>/dev/null || :); do
		[ "$_child" != "$2" ] || continue
		(end_below "$_child" "$2")
		kill -s TERM "$_child" 2>/dev/null || :
	done
}

end_session() {
	trap - EXIT
	rm -rf "$SESSION_DIR" || : # the exit code says why the session ended, not how this went
}
