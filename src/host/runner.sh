# runner.sh: steps. `submit` journals a list of task groups on disk and starts a runner that nothing of the connection can end; `events` (events.sh)
# tells what it did, also to those who ask later. A step's directory is STATE/runs/RUN/STEP: groups, session, fence, lock, started, events,
# tasks/N.{log,result}, result. Its existence is the "already" test; the lock, which children inherit, says whether anybody works on it.

MAX_GROUP_BYTES=1048576
MAX_TASKS=1000
MAX_STEPS=1000

# submit RUN STEP BYTES + payload: stored and durable, then run once. The same step again replies `already` when the payload is identical.
verb_submit() {
	{ [ $# -eq 3 ] && is_number "$3"; } || fail 76 bad-frame "submit RUN STEP BYTES"
	[ "$3" -le "$MAX_GROUP_BYTES" ] || refuse "$3" 64 bad-request "more than $MAX_GROUP_BYTES bytes of groups"
	{ is_run "$1" && is_step "$2"; } || refuse "$3" 64 bad-request "not a run and step: $1 $2"
	need_fence "$3"
	[ "$1" = "$FENCE_RUN" ] || refuse "$3" 77 run-differs "the session is fenced for run $FENCE_RUN"
	# Made here as it will be, so that nothing has to be copied when it may count.
	SUBMITTED=$SESSION_DIR/step.$REQUEST_COUNT
	mkdir "$SUBMITTED" "$SUBMITTED/tasks" || refuse "$3" 73 cannot-create "cannot create $SUBMITTED"
	receive_bytes "$3" >"$SUBMITTED/groups" || fail 76 write-failed "cannot keep the groups"
	received "$SUBMITTED/groups" 0
	[ "$SIZE" -eq "$3" ] || fail 76 short-payload "$SIZE of $3 bytes came"
	check_groups "$SUBMITTED/groups" "$3"
	with_host_lock store_step "$1" "$2"
	read -r _stored <"$SESSION_DIR/stored"
	[ "$_stored" = started ] || [ -e "$STATE/runs/$1/$2/started" ] || [ -e "$STATE/runs/$1/$2/result" ] || _stored=again
	case $_stored in
	already) ok already ;;
	*)
		start_runner "$1" "$2"
		if [ "$_stored" = again ]; then ok already; else ok started; fi
		;;
	esac
}

# store_step RUN STEP: under the writer lock; says `started` or `already` in the session's file `stored`.
store_step() {
	check_epoch_still
	_step=$STATE/runs/$1/$2
	if [ -d "$_step" ]; then
		cmp -s "$_step/groups" "$SUBMITTED/groups" || fail 65 step-differs "step $2 of run $1 was submitted with other groups"
		[ -e "$_step/result" ] || overtake "$1" "$2"
		printf 'already\n' >"$SESSION_DIR/stored"
		return 0
	fi
	count_paths "$STATE/runs/$1"/*
	[ "$COUNT" -lt "$MAX_STEPS" ] || fail 75 busy "run $1 has $COUNT steps on this host already"
	# Whoever submits without ever committing fills no disk either (P13).
	[ -d "$STATE/runs/$1" ] || gc_runs "$1" 200
	make_dir "$STATE/runs/$1"
	_new=$SUBMITTED
	printf '%s\n' "$SESSION_ID" >"$_new/session"
	{
		kv_line epoch "$FENCE_EPOCH"
		kv_line holder "$FENCE_HOLDER"
		kv_line run "$FENCE_RUN"
	} >"$_new/fence"
	boot_id
	uptime_cs
	printf '%s %s\n' "$UPTIME_CS" "$BOOT_ID" >"$_new/submitted"
	: >"$_new/events"
	sync_path "$_new/groups" "$_new/session" "$_new/fence" "$_new/submitted" "$_new"
	mv -T "$_new" "$_step" || fail 73 cannot-create "cannot create $_step"
	sync_dir "$STATE/runs/$1"
	overtake "$1" "$2"
	printf 'started\n' >"$SESSION_DIR/stored"
}

# count_paths PATH…: sets COUNT; of a pattern that matched nothing, 0.
count_paths() {
	COUNT=0
	[ ! -e "$1" ] || COUNT=$#
}

# check_groups FILE BYTES: every line is `GROUP TASKID ACTION KIND COMPONENT VERSION [KEY=VALUE…]`, in ascending groups, for this host, of a kind that
# this host.sh can do. Ends the verb with 64 otherwise; an unknown kind or option is never ignored.
check_groups() {
	# What awk reads is counted: where one ends a line at a NUL, or adds an end that was not there, the bytes are not as many.
	_problem=$(awk -F '\t' -v host="$HOST_NAME" -v max="$MAX_TASKS" -v size="$2" '
	function bad(why) { print "line " NR ": " why; failed = 1; exit }
	/[^\t -~]/ { bad("a byte that is not allowed") }
	{ bytes += length($0) + 1 }
	NR > max { bad("more than " max " tasks") }
	NF < 6 { bad("too few fields") }
	$1 !~ /^(0|[1-9][0-9]*)$/ || length($1) > 6 || $1 + 0 < last + 0 { bad("group numbers must ascend") }
	{ last = $1 }
	$3 != "do" && $3 != "undo" { bad("action is do or undo") }
	$4 !~ /^(build|check|backup|drain|switch|health|hook|confirm|commit)$/ { print "kind"; failed = 1; exit }
	$5 !~ /^[a-z][a-z0-9-]*$/ || length($5) > 63 { bad("not a component") }
	$6 !~ /^[A-Za-z0-9][A-Za-z0-9._+-]*$/ || length($6) > 64 { bad("not a version") }
	{
		n = split($2, id, "/")
		if (n != 3 || id[1] != host || id[2] != $5 || id[3] !~ /^[a-z0-9][a-z0-9.-]*$/ || length(id[3]) > 130) bad("task id is not HOST/COMPONENT/TASK of this host")
		key = $2 " " $3
		if (key in seen) bad("task twice")
		seen[key] = 1
		split("", given)
		for (i = 7; i <= NF; i++) {
			at = index($i, "="); k = substr($i, 1, at - 1); v = substr($i, at + 1)
			if (at < 2 || k in given) bad("not KEY=VALUE, or twice")
			given[k] = 1
			if (k == "deadline" && v ~ /^[1-9][0-9]*$/ && length(v) < 8) continue
			if (k == "name" && v ~ /^[a-z][a-z0-9-]*$/ && length(v) < 64) continue
			if (k == "trial-run" && v ~ /^[a-z0-9][a-z0-9-]*$/ && length(v) < 65) continue
			if (k == "reason" && (v == "failed" || v == "operator")) continue
			if (k == "floor" && v == "raise") continue
			if (k == "dry-run" && v == "yes" && $4 == "hook") continue # anything else would do it after all
			if (k == "point" && v ~ /^[a-z0-9][a-z0-9.-]*$/ && length(v) < 80) continue
			if (k == "target" && $4 == "hook" && v ~ /^[a-z0-9][a-z0-9.-]*$/ && length(v) < 64) continue
			if (k == "target-address" && $4 == "hook" && v ~ /^([A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:]+)$/ && length(v) < 254) continue
			if (k == "at" && v ~ /^[1-9][0-9]*$/ && length(v) < 16) continue
			bad("option " substr($i, 1, 80))
		}
		if ($4 == "hook" && !("name" in given)) bad("a hook needs name=TASK")
		if (("target" in given) != ("target-address" in given)) bad("target and target-address go together")
	}
	END {
		if (failed) exit
		if (NR == 0) print "no task"
		else if (bytes != size) print "the last line does not end, or a byte that is not allowed"
	}' "$1") || _problem='cannot be read'
	[ "$_problem" != kind ] || fail 64 unknown-kind "this host knows no such kind of task"
	[ -z "$_problem" ] || fail 64 bad-request "$_problem"
	while read -r _ _ _action _kind _; do
		command -v "task_${_kind}_$_action" >/dev/null || fail 64 unknown-kind "this host.sh cannot $_action $_kind"
	done <"$1"
}

# self_shell: sets SELF_SHELL to the words that start the shell which runs this, once in a process.
self_shell() {
	[ -z "${SELF_SHELL-}" ] || return 0
	SELF_SHELL=$(readlink /proc/$$/exe) || SELF_SHELL=
	[ -x "$SELF_SHELL" ] || SELF_SHELL="sh"
	case $SELF_SHELL in */busybox*) SELF_SHELL="$SELF_SHELL ash" ;; esac
}

# start_runner RUN STEP: detached from this connection; its children may outlive it (services that a task started).
start_runner() {
	self_shell
	_log=$STATE/runs/$1/$2/runner.log
	if [ "$MODE" = system ] && [ -d /run/systemd/system ] && has_tool systemd-run; then
		# shellcheck disable=SC2086 # SELF_SHELL may be two words
		timeout -k 2 20 systemd-run --collect --quiet --property=KillMode=process --property=Type=exec --setenv=PATH="$PATH" --setenv=LC_ALL=C \
			$SELF_SHELL "$SELF" "$STATE" run-step "$1" "$2" </dev/null >>"$_log" 2>&1 3>&- 4>&- 5>&- 9>&- || fail 71 cannot-start "systemd-run: $(tail -c 500 "$_log")"
	else
		# The session's memory limit is not for services that a task starts. It is nobody's child from the start: who ends a session with all that
		# came of it ends no step.
		(
			# shellcheck disable=SC2086,SC3045
			(
				ulimit -S -v "$(ulimit -H -v)" 2>/dev/null || :
				exec setsid $SELF_SHELL "$SELF" "$STATE" run-step "$1" "$2"
			) </dev/null >>"$_log" 2>&1 3>&- 4>&- 5>&- 9>&- &
		)
	fi
}

# run-step RUN STEP (entry word, internal): runs the journaled groups once. A step that somebody started before is never run again: what it
# did is unknown, and unknown is not retried (P7).
word_run_step() {
	{ [ $# -eq 2 ] && is_run "$1" && is_step "$2"; } || fail 64 bad-request "run-step RUN STEP"
	JOB=$STATE/runs/$1/$2
	[ -d "$JOB" ] || fail 66 no-such-step "$1 $2"
	exec 8>>"$JOB/lock"
	# Whoever asks for events looks at this lock for a moment; another runner holds it to the end and leaves `started`.
	lock_wait 8 10 || exit 75
	[ ! -e "$JOB/started" ] || exit 75
	: >"$JOB/started"
	sync_dir "$JOB" # after a power cut, too, it is known that somebody began
	cd /
	T_RUN=$1
	# shellcheck disable=SC2034 # for the other parts
	T_STEP=$2
	read -r T_SESSION <"$JOB/session"
	kv_raw "$JOB/fence" epoch && T_EPOCH=$RAW
	kv_raw "$JOB/fence" holder && FENCE_HOLDER=$RAW
	EVENT_SEQ=0
	STOPPED=
	_groups=
	while IFS=$TAB read -r _group _; do
		case "$_groups " in *" $_group "*) ;; *) _groups="$_groups $_group" ;; esac
	done <"$JOB/groups"
	for _group in $_groups; do
		run_group "$_group"
	done
	write_file "$JOB/result" "${STOPPED:-ok}"
	ring_bells
}

# run_group NUMBER: starts its tasks together and waits for all, or skips them when an earlier group failed or another writer took over.
run_group() {
	if [ -z "$STOPPED" ]; then
		read_epoch
		if [ "$EPOCH" -gt "$T_EPOCH" ] && [ "$HOLDER" != "$FENCE_HOLDER" ] && ! is_epoch_run "$T_RUN"; then
			STOPPED=stale-epoch
			STOPPED_WHY="epoch $EPOCH belongs to $HOLDER, this step to epoch $T_EPOCH"
		elif overtaken; then
			STOPPED=taken-back
			STOPPED_WHY=$OVERTAKEN_WHY
		fi
	fi
	_index=0
	_open=0
	_first=
	COUNT=0
	[ -n "$STOPPED" ] || count_group "$1"
	while IFS=$TAB read -r _number _id _action _kind _component _version _options; do
		_index=$((_index + 1))
		[ "$_number" = "$1" ] || continue
		if [ -n "$STOPPED" ]; then
			field "$STOPPED_WHY"
			add_event "$_id" "$_action" skipped 0 0 "$STOPPED" "$FIELD"
			continue
		fi
		add_event "$_id" "$_action" running 0 0 - -
		run_task "$_index" &
		_first=$_index
		_open=$((_open + 1))
	done <"$JOB/groups"
	[ "$COUNT" -ne 1 ] || wait "$!" || :
	while [ "$_open" -gt 0 ]; do
		if [ "$COUNT" -eq 1 ]; then _index=$_first; else read -r _index <&7; fi
		_open=$((_open - 1))
		read -r _id _action _state _ms _exit _reason _text <"$JOB/tasks/$_index.result"
		add_event "$_id" "$_action" "$_state" "$_ms" "$_exit" "$_reason" "$_text"
		[ "$_state" = "done" ] || FAILED_TASK=$_id
	done
	if [ -n "${FAILED_TASK-}" ] && [ -z "$STOPPED" ]; then
		STOPPED=earlier-failed
		STOPPED_WHY="$FAILED_TASK failed"
	fi
}

# count_group NUMBER: sets COUNT, how many tasks it has. The end of one is waited for; of several a FIFO tells which ended.
count_group() {
	COUNT=0
	while IFS=$TAB read -r _number _; do
		[ "$_number" != "$1" ] || COUNT=$((COUNT + 1))
	done <"$JOB/groups"
	[ "$COUNT" -gt 1 ] && [ ! -p "$JOB/fifo" ] || return 0
	mkfifo "$JOB/fifo"
	exec 7<>"$JOB/fifo"
}

# add_event TASKID ACTION STATE MS EXIT REASON EVIDENCE (encoded): only the runner itself appends, so numbers have no gap.
add_event() {
	EVENT_SEQ=$((EVENT_SEQ + 1))
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$EVENT_SEQ" "$1" "$2" "$3" "$4" "$5" "$6" "$7" >>"$JOB/events"
	ring_bells
}

# run_task INDEX: in the background; the task's own subshell may end as it likes, a result is always written, then its number goes to the FIFO.
run_task() {
	_index=$1
	T_ID=$_id T_ACTION=$_action T_KIND=$_kind T_COMPONENT=$_component T_VERSION=$_version
	T_OPTIONS=$_options # words, tabs between them
	T_DIR=$STATE/components/$T_COMPONENT
	T_FAIL_FILE=$JOB/tasks/$_index.fail
	exec </dev/null >"$JOB/tasks/$_index.log" 2>&1
	uptime_cs
	_start=$UPTIME_CS
	set +e
	(
		set -e
		exec 7>&-
		case $T_KIND in build | check) step_back ;; esac
		"task_${T_KIND}_$T_ACTION"
	)
	_rc=$?
	ms_since "$_start"
	_reason=-
	_text=
	_state="done"
	if [ "$_rc" -ne 0 ]; then
		_state=failed
		_reason=unexpected
		if [ -s "$T_FAIL_FILE" ]; then
			read -r _said _reason _text <"$T_FAIL_FILE"
			[ "$_said" = "$_rc" ] || _rc=$_said
		else
			[ "$_rc" -ge 64 ] && [ "$_rc" -le 78 ] || _rc=70
		fi
	fi
	if [ -z "$_text" ]; then
		last_lines "$JOB/tasks/$_index.log"
		_text=$FIELD
	fi
	# Read only after this process ended, or said so.
	printf '%s %s %s %s %s %s %s\n' "$T_ID" "$T_ACTION" "$_state" "$MS" "$_rc" "$_reason" "$_text" >"$JOB/tasks/$_index.result"
	[ ! -e "$T_FAIL_FILE" ] || rm -f "$T_FAIL_FILE"
	[ "$COUNT" -eq 1 ] || printf '%s\n' "$_index" >&7
}

# step_back: this task is work ahead of time, and what serves on this host must not wait for it: lower our own priority, where that is possible.
step_back() {
	own_pid
	renice -n 10 -p "$OWN_PID" >/dev/null 2>&1 || :
	! command -v ionice >/dev/null || ionice -c 3 -p "$OWN_PID" >/dev/null 2>&1 || :
}
