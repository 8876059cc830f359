# Drain: a component leaves service before its switch. Readiness goes off first (drain.not-ready-file, then drain.task), then what is in
# flight is waited for, as drain.until says: idle, deadline, or a time of day. components/<c>/drained says who drained it and since when,
# so that a drain that was killed goes on with the time that it had, and so that whoever goes back brings the component back.

# A page of metrics may be long; one that is longer is no answer.
DRAIN_MAX_PAGE=4194304

drain_is_asked() { # the contract says how
	kv_raw "$CONTRACT" drain.seconds || kv_raw "$CONTRACT" drain.task
}

task_drain_do() { # take the component out of service, wait, and say what is in flight still. Again: goes on where it was killed, or anew
	load_contract "$T_COMPONENT" "$T_VERSION"
	hook_trusted
	if ! drain_is_asked; then
		echo "nothing-to-drain"
		return 0
	fi
	contract_value drain.seconds 60
	DRAIN_SECONDS=$VALUE
	drain_begin
	# An undo that came before this found nothing to bring back.
	! overtaken || rm -f "$T_DIR/drained"
	still_wanted
	drain_readiness_off
	if drain_name_=$(kv_get "$CONTRACT" drain.task); then hook_task "$drain_name_" "do" "$DRAIN_SECONDS"; fi
	drain_wait
	drain_is_ours
	# Done: another drain of this run counts its time from its own beginning.
	drain_record - - || fail 74 cannot-write "cannot write $T_DIR/drained"
}

drain_is_ours() { # end the task when others came meanwhile: a run that drains it has it now; whoever brought it back, an operator mostly, may have done so while we took it out
	[ "$(kv_get "$T_DIR/drained" run || :)" != "$T_RUN" ] || return 0
	[ ! -f "$T_DIR/drained" ] || fail 75 component-busy "another run drained $T_COMPONENT meanwhile"
	drain_back
	fail 66 taken-back "$T_COMPONENT was brought back into service while it was drained"
}

drain_begin() { # set DRAIN_UNTIL, DRAIN_BEGUN and for a time of day DRAIN_AT, and write them down before anything is touched
	DRAIN_UNTIL=$(kv_get "$CONTRACT" drain.until) || DRAIN_UNTIL=
	[ -n "$DRAIN_UNTIL" ] || ! drain_counts || DRAIN_UNTIL=deadline
	uptime_cs
	boot_id
	DRAIN_BEGUN=$UPTIME_CS DRAIN_AT=
	if [ "$(kv_get "$T_DIR/drained" run || :)/$(kv_get "$T_DIR/drained" version || :)/$(kv_get "$T_DIR/drained" boot-id || :)" = "$T_RUN/$T_VERSION/$BOOT_ID" ] &&
		drain_earlier_=$(kv_get "$T_DIR/drained" begun); then
		DRAIN_BEGUN=$drain_earlier_
		DRAIN_AT=$(kv_get "$T_DIR/drained" at) || DRAIN_AT=
	elif drain_is_timed; then
		drain_moment "$DRAIN_UNTIL"
		drain_left_=$((MOMENT - MOMENT_NOW))
		[ "$drain_left_" -le "$DRAIN_SECONDS" ] ||
			fail 71 not-in-time "$DRAIN_UNTIL is $drain_left_ s away, and the drain may take $DRAIN_SECONDS s: nothing was drained"
		DRAIN_AT=$MOMENT
	fi
	drain_record "$DRAIN_BEGUN" "$DRAIN_AT" || fail 74 cannot-write "cannot write $T_DIR/drained"
	rm -f "$T_DIR/undrained"
}

drain_record() { # BEGUN|- AT|-: whoever goes back finds it, and whoever goes on
	{
		[ "$2" = - ] || kv_line at "$2"
		[ "$1" = - ] || kv_line begun "$1"
		kv_line boot-id "$BOOT_ID"
		kv_line run "$T_RUN"
		kv_line version "$T_VERSION"
	} | atomic_write "$T_DIR/drained"
}

drain_is_timed() { # it is over at a time of day
	case $DRAIN_UNTIL in [0-9]*) return 0 ;; *) return 1 ;; esac
}

drain_counts() { # the contract says where to read what is in flight
	kv_raw "$CONTRACT" drain.inflight.url || kv_raw "$CONTRACT" drain.inflight.file || kv_raw "$CONTRACT" drain.inflight.task
}

drain_moment() { # HH:MM[Z]: set MOMENT, seconds since 1970 when it is that time next, and MOMENT_NOW; the minute that has begun counts as now
	moment_zone_=
	case $1 in *Z) moment_zone_=-u ;; esac
	# shellcheck disable=SC2046,SC2086 # four numbers, and an option or nothing
	set -- "${1%Z}" $(date $moment_zone_ '+%s %H %M %S')
	MOMENT_NOW=$2
	moment_hour_=${1%:*} moment_minute_=${1#*:}
	moment_wait_=$(((${moment_hour_#0} * 60 + ${moment_minute_#0} - ${3#0} * 60 - ${4#0}) * 60 - ${5#0}))
	[ "$moment_wait_" -gt -60 ] || moment_wait_=$((moment_wait_ + 86400))
	[ "$moment_wait_" -gt 0 ] || moment_wait_=0
	MOMENT=$((MOMENT_NOW + moment_wait_))
	[ "$moment_wait_" -gt 0 ] || return 0
	# Clocks are put forward and back in some nights: what the clock on the wall will say counts.
	for moment_shift_ in 0 3600 -3600; do
		# shellcheck disable=SC2086
		[ "$(date $moment_zone_ -d "@$((MOMENT + moment_shift_))" +%H:%M 2>/dev/null)" = "$1" ] || continue
		MOMENT=$((MOMENT + moment_shift_))
		return 0
	done
}

drain_readiness_off() { # the service's readiness endpoint says no from now on
	kv_value "$CONTRACT" drain.not-ready-file || return 0
	drain_file_=$VALUE
	drain_file_=$PREFIX$drain_file_
	check_written_path "$ROOT" "$drain_file_" drain
	# The service, which is another user, looks for it.
	(umask 022 && write_file "$drain_file_" "drained by run $T_RUN for $T_VERSION") || fail 74 cannot-write "cannot write $drain_file_"
}

drain_wait() { # until the policy says that it is over; prints in-flight, cut and waited-ms. Ends the task, in service again, when idle was asked for and is not reached
	contract_value drain.settle-seconds 0
	drain_settle_=$VALUE
	DRAIN_DIR=$(mktemp -d "$T_DIR/.health.XXXXXX") || fail 73 cannot-create "cannot create a directory in $T_DIR"
	while :; do
		uptime_cs
		drain_spent_=$((UPTIME_CS - DRAIN_BEGUN))
		drain_is_ours
		if drain_is_over; then break; fi
		if [ "$drain_spent_" -lt 1000 ]; then nap 0.2; else nap 1; fi
	done
	drain_why_=$INFLIGHT_WHY
	rm -rf "$DRAIN_DIR"
	# Until idle nothing is cut: what is still at work stays in service, or the drain is over.
	drain_left_=$DRAIN_CUT
	[ "$DRAIN_UNTIL" != idle ] || DRAIN_CUT=0
	drain_said_="in-flight=$INFLIGHT cut=$DRAIN_CUT waited-ms=$((drain_spent_ * 10)) until=${DRAIN_UNTIL:-settled}${drain_why_:+; $drain_why_}"
	if [ "$DRAIN_UNTIL" = idle ] && [ "$drain_left_" != 0 ]; then
		drain_now_="it stays out of service: its undo failed"
		if (drain_back) >/dev/null 2>&1 && mv -fT "$T_DIR/drained" "$T_DIR/undrained"; then drain_now_="it is in service again"; fi
		fail 71 not-idle "still at work after $DRAIN_SECONDS s, and $drain_now_: $drain_said_"
	fi
	echo "$drain_said_"
}

drain_is_over() { # look, and judge; sets INFLIGHT, INFLIGHT_WHY and DRAIN_CUT
	INFLIGHT=not-counted INFLIGHT_WHY='' DRAIN_CUT=0
	drain_counts || DRAIN_CUT=not-counted
	drain_ends_=
	[ "$drain_spent_" -lt $((DRAIN_SECONDS * 100)) ] || drain_ends_=yes
	if drain_is_timed; then
		[ "$(date +%s)" -lt "$DRAIN_AT" ] || drain_ends_=yes
		[ -n "$drain_ends_" ] || return 1
	elif [ "$drain_spent_" -lt $((drain_settle_ * 100)) ]; then
		return 1
	elif [ -z "$DRAIN_UNTIL" ]; then
		return 0
	fi
	drain_look
	case $INFLIGHT in
		0) drain_is_timed || return 0 ;;
		not-counted) ;;
		*) DRAIN_CUT=$INFLIGHT ;;
	esac
	[ -n "$drain_ends_" ]
}

drain_look() { # set INFLIGHT: a number, `unknown` with INFLIGHT_WHY, or `not-counted`. Where nothing runs, nothing is in flight
	if kv_raw "$CONTRACT" drain.inflight.task; then
		drain_look_task "$RAW"
		return 0
	elif kv_raw "$CONTRACT" drain.inflight.url; then
		drain_look_metric
	elif kv_raw "$CONTRACT" drain.inflight.file; then
		drain_look_file
	else
		return 0
	fi
	[ "$INFLIGHT" != 0 ] || return 0
	# What a process left behind that ended is nobody's work.
	if drain_nothing_runs; then INFLIGHT=0 INFLIGHT_WHY="nothing runs"; fi
}

drain_nothing_runs() { # no version is there yet, or its processes have ended
	read_current "$ROOT" || return 0
	! manager_is none || return 1
	says_no manager_is_active && says_no manager_main_pid
}

drain_unknown() { # WHY: unknown is not idle
	INFLIGHT=unknown INFLIGHT_WHY=$(printf '%s' "$1" | head -c 300 | tr -c '\040-\176' ' ')
}

drain_look_task() { # NAME: the last line of what it prints
	: >"$DRAIN_DIR/task"
	look_left_=$(((DRAIN_SECONDS * 100 - drain_spent_ + 99) / 100))
	[ "$look_left_" -gt 5 ] || look_left_=5
	[ "$look_left_" -le 30 ] || look_left_=30
	if hook_run "$1" "do" "$look_left_" "$DRAIN_DIR/task"; then
		INFLIGHT=$(tail -n 1 "$DRAIN_DIR/task")
		is_number "$INFLIGHT" || drain_unknown "$1 printed no number: $INFLIGHT"
	else
		drain_unknown "$1: $EVIDENCE"
	fi
}

drain_look_file() { # its first line; a service that writes it anew by a rename is never seen half way
	look_file_=$PREFIX$(kv_get "$CONTRACT" drain.inflight.file)
	if [ ! -f "$look_file_" ]; then
		drain_unknown "$look_file_ is not there"
		return 0
	fi
	INFLIGHT=$(timeout 5 head -n 1 "$look_file_" 2>/dev/null | head -c 32) || :
	is_number "$INFLIGHT" || drain_unknown "$look_file_ holds no number"
}

drain_look_metric() { # the sum of all samples of that name on a page that came whole
	HEALTH_DIR=$DRAIN_DIR HTTP_MAX_BYTES=$DRAIN_MAX_PAGE
	look_url_=$(health_url "$(kv_get "$CONTRACT" drain.inflight.url)")
	kv_value "$CONTRACT" drain.inflight.metric
	look_name_=$VALUE
	if ! http_pick_client; then
		drain_unknown "$EVIDENCE"
		return 0
	fi
	http_get "$look_url_" 5
	case $HTTP_STATUS in
		2[0-9][0-9]) ;;
		000) drain_unknown "$look_url_: no answer: $(http_reply)"; return 0 ;;
		*) drain_unknown "$look_url_: $HTTP_STATUS"; return 0 ;;
	esac
	if [ -e "$HEALTH_DIR/cut" ]; then
		drain_unknown "$look_url_: the page did not come whole"
		return 0
	fi
	INFLIGHT=$(metric_sum "$look_name_" "$HEALTH_DIR/reply")
	is_number "$INFLIGHT" || drain_unknown "$look_url_: $look_name_ $INFLIGHT"
}

metric_sum() { # NAME FILE: print the sum of its samples in Prometheus's text format, rounded up, or what is wrong with them
	awk -v name="$1" '
	index($0, name) == 1 {
		rest = substr($0, length(name) + 1)
		if (rest !~ /^[ \t{]/) next
		gsub(/"([^"\\]|\\.)*"/, "", rest) # in the values of labels stands anything
		sub(/^[ \t]*\{[^}]*\}/, "", rest)
		split(rest, word, " ")
		if (word[1] !~ /^[+]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$/) { bad = "is " substr(word[1], 1, 40); exit }
		found = 1
		sum += word[1]
	}
	END {
		if (bad != "") print bad
		else if (!found) print "is not on the page"
		else if (sum > 1e12) print "is too large"
		else printf "%.0f\n", (sum > int(sum) ? int(sum) + 1 : sum)
	}' "$2"
}

check_drain() { # what a drain needs of the host is there (check.sh)
	kv_value "$CONTRACT" drain.inflight.url || return 0
	check_url_=$VALUE
	if has_tool curl || has_tool wget; then return 0; fi
	case $check_url_ in
		https:*) lacks "neither curl nor wget found, the in-flight metric needs one" ;;
		*) has_tool bash || lacks "none of curl, wget and bash found, the in-flight metric needs one" ;;
	esac
}
