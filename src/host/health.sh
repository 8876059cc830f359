# Health, judged on the host itself by the checks of the signed contract, in order. Only evidence of badness fails: http that was answered
# and is wrong counts at once; nobody answering yet is waited for, up to within-seconds.

# Of a reply, so many bytes are kept at most.
HTTP_MAX_BYTES=65536

task_health_do() { # every check of the contract; the first that fails ends it, with counts, first bad replies, unit status and last log lines
	load_contract "$T_COMPONENT" "$T_VERSION"
	HEALTH_DIR=$(mktemp -d "$T_DIR/.health.XXXXXX") || fail 73 cannot-create "cannot create a directory in $T_DIR"
	health_said_=
	for health_ in $(kv_indexes "$CONTRACT" health); do
		HEALTH=health.$health_
		kv_value "$CONTRACT" "$HEALTH.kind"
		health_kind_=$VALUE
		uptime_cs
		HEALTH_BY=$((UPTIME_CS + $(contract_number "$HEALTH.within-seconds" 60) * 100))
		WHY=unhealthy EVIDENCE='' SAID=''
		case $health_kind_ in
			http) health_http ;;
			tcp) health_tcp ;;
			unit) health_unit ;;
			executable) health_executable ;;
			*) WHY=unknown-check EVIDENCE="this host.sh knows no check of kind $health_kind_"; false ;;
		esac || {
			health_evidence_="$HEALTH $health_kind_: $EVIDENCE
$(manager_status_evidence)"
			health_keep "$health_evidence_"
			rm -rf "$HEALTH_DIR"
			case $WHY in unhealthy) fail 71 "$WHY" "$health_evidence_" ;; *) fail 69 "$WHY" "$health_evidence_" ;; esac
		}
		health_said_="$health_said_$health_kind_ $SAID; "
	done
	rm -rf "$HEALTH_DIR"
	echo "healthy: ${health_said_:-no checks}"
}

task_health_undo() { # nothing: looking changed nothing
	echo "nothing to undo"
}

health_keep() { # EVIDENCE: leave it with the trial, so that the way back carries it
	for health_state_ in armed confirmed; do
		if [ -d "$STATE/components/$T_COMPONENT/trial/$health_state_" ]; then
			printf '%s\n' "$1" | tail -c 2000 >"$STATE/components/$T_COMPONENT/trial/$health_state_/health" 2>/dev/null || :
		fi
	done
}

health_address() { # NAME: print it; `self` is the address pinned at enrolment
	case $1 in
		self) case $ADDRESS in *:*) echo "[$ADDRESS]" ;; *) echo "$ADDRESS" ;; esac ;;
		*) echo "$1" ;;
	esac
}

health_url() { # URL: print it, with the pinned address where it says `self`
	case $1 in
		http://self[:/]* | https://self[:/]*) echo "${1%%://*}://$(health_address self)${1#*://self}" ;;
		http://self | https://self) echo "${1%%://*}://$(health_address self)/" ;;
		*) echo "$1" ;;
	esac
}

health_http() { # samples requests, at most max-failures of them bad; refused connections before the first answer are waited for
	http_url_=$(health_url "$(kv_get "$CONTRACT" "$HEALTH.url")")
	contract_value "$HEALTH.samples" 1
	http_samples_=$VALUE
	contract_value "$HEALTH.max-failures" 0
	http_allowed_=$VALUE
	contract_value "$HEALTH.interval-ms" 100
	http_pause_=$VALUE
	http_taken_=0 http_failed_=0 http_bad_='' http_answered_=''
	http_pick_client || return 1
	while [ "$http_taken_" -lt "$http_samples_" ]; do
		uptime_cs
		http_left_=$((HEALTH_BY - UPTIME_CS))
		if [ "$http_left_" -le 0 ]; then
			EVIDENCE="$http_url_: only $http_taken_ of $http_samples_ samples in time, $http_failed_ failed${http_bad_:+; first bad: $http_bad_}"
			return 1
		fi
		http_limit_=$(((http_left_ + 99) / 100))
		[ "$http_limit_" -le 10 ] || http_limit_=10
		http_get "$http_url_" "$http_limit_"
		# Whoever answers was waited for in good order: what was said before that is no reason any more.
		if [ "$HTTP_STATUS" != 000 ] && [ -z "$http_answered_" ]; then http_answered_=yes http_bad_=''; fi
		case $HTTP_STATUS in
			2[0-9][0-9]) ;;
			000)
				if [ -z "$http_answered_" ]; then
					http_bad_=${http_bad_:-"no answer: $(http_reply)"}
					nap 0.1
					continue
				fi
				http_note_bad
				;;
			*) http_note_bad ;;
		esac
		http_taken_=$((http_taken_ + 1))
		if [ "$http_failed_" -gt "$http_allowed_" ]; then
			EVIDENCE="$http_url_: $http_failed_ of $http_taken_ samples failed, $http_allowed_ allowed in $http_samples_; $http_bad_"
			return 1
		fi
		[ "$http_taken_" -ge "$http_samples_" ] || [ "$http_pause_" -eq 0 ] || nap "$((http_pause_ / 1000)).$(printf %03d "$((http_pause_ % 1000))")"
	done
	SAID="$http_taken_ samples, $http_failed_ failed"
}

http_note_bad() { # count a bad reply and keep the first three
	http_failed_=$((http_failed_ + 1))
	[ "$http_failed_" -gt 3 ] || http_bad_="${http_bad_}[$HTTP_STATUS $(http_reply)] "
}

http_reply() { # print the first 200 bytes of the last reply, as one line of printable text
	head -c 200 "$HEALTH_DIR/reply" 2>/dev/null | tr -c '\040-\176' ' '
}

http_pick_client() { # set HTTP_CLIENT to curl, wget or bash, whichever this host has
	for HTTP_CLIENT in curl wget bash; do
		! has_tool "$HTTP_CLIENT" || return 0
	done
	WHY=no-http-client EVIDENCE="curl, wget or bash is needed for http checks, none is on this host"
	return 1
}

http_get() { # URL SECONDS: set HTTP_STATUS (000: no answer); the body's start, or the client's message, goes to HEALTH_DIR/reply; HEALTH_DIR/cut is there when that is not all of it
	: >"$HEALTH_DIR/reply"
	rm -f "$HEALTH_DIR/cut"
	HTTP_STATUS=000
	# A body without an end must not fill the disk: writing fails at the limit, and the client still tells the status.
	HTTP_STATUS=$(trap '' XFSZ; ulimit -f $((HTTP_MAX_BYTES / 256)); http_ask "$@") || :
	case $HTTP_STATUS in [1-5][0-9][0-9]) ;; *) HTTP_STATUS=000 ;; esac
	[ -s "$HEALTH_DIR/reply" ] || tail -n 2 "$HEALTH_DIR/said" >"$HEALTH_DIR/reply" 2>/dev/null || :
}

http_ask() { # URL SECONDS: print the status, with HTTP_CLIENT
	case $HTTP_CLIENT in
		curl)
			curl -sS --noproxy '*' --max-time "$2" --max-filesize "$HTTP_MAX_BYTES" -o "$HEALTH_DIR/reply" -w '%{http_code}' -- "$1" </dev/null 2>"$HEALTH_DIR/said" || : >"$HEALTH_DIR/cut"
			;;
		wget)
			timeout "$2" "$(tool_path wget)" -S -t 1 -O "$HEALTH_DIR/reply" "$1" </dev/null >"$HEALTH_DIR/said" 2>&1 || : >"$HEALTH_DIR/cut"
			sed -n 's/.*HTTP\/1\.[01] \([0-9][0-9][0-9]\).*/\1/p' "$HEALTH_DIR/said" | head -n 1 # a redirect is no 2xx, here as with curl
			;;
		bash)
			http_rest_=${1#http://}
			http_at_=${http_rest_%%/*}
			http_path_=${http_rest_#"$http_at_"}
			case $http_at_ in *:*) http_port_=${http_at_##*:} ;; *) http_port_=80 ;; esac
			# A connection that is reset is an error to head; one that is closed ends a page without a length. One byte more than is kept tells a page that is too long.
			# shellcheck disable=SC2016 # bash expands its own arguments
			timeout "$2" bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n" "$3" "$4" >&3 && head -c "$5" <&3' \
				bash "${http_at_%:*}" "$http_port_" "${http_path_:-/}" "$http_at_" "$((HTTP_MAX_BYTES + 1))" </dev/null >"$HEALTH_DIR/raw" 2>"$HEALTH_DIR/said" || : >"$HEALTH_DIR/cut"
			file_size "$HEALTH_DIR/raw"
			[ "$SIZE" -le "$HTTP_MAX_BYTES" ] || : >"$HEALTH_DIR/cut"
			sed -n '1s/^HTTP\/1\.[01] \([0-9][0-9][0-9]\).*/\1/p' "$HEALTH_DIR/raw"
			sed '1,/^.\{0,1\}$/d' "$HEALTH_DIR/raw" >"$HEALTH_DIR/reply"
			http_length_=$(sed -n '/^.\{0,1\}$/q; s/^[Cc]ontent-[Ll]ength: *\([0-9]*\).*/\1/p' "$HEALTH_DIR/raw" | head -n 1)
			file_size "$HEALTH_DIR/reply"
			[ "${http_length_:-$SIZE}" -le "$SIZE" ] || : >"$HEALTH_DIR/cut"
			# In chunks, which nobody asked for, the page is not what came.
			! sed '/^.\{0,1\}$/q' "$HEALTH_DIR/raw" | grep -qi '^transfer-encoding:' || : >"$HEALTH_DIR/cut"
			;;
	esac
}

health_tcp() { # something accepts at the address and port within the time
	tcp_address_=$(health_address "$(kv_get "$CONTRACT" "$HEALTH.address" || echo self)")
	kv_value "$CONTRACT" "$HEALTH.port"
	tcp_port_=$VALUE
	while ! tcp_connects "${tcp_address_#[}" "$tcp_port_"; do
		[ "$WHY" != no-tcp-client ] || return 1
		uptime_cs
		if [ "$UPTIME_CS" -ge "$HEALTH_BY" ]; then
			EVIDENCE="nobody accepts at $tcp_address_ port $tcp_port_"
			return 1
		fi
		nap 0.1
	done
	SAID="port $tcp_port_ accepts"
}

tcp_connects() { # ADDRESS PORT: 0 when a connection is accepted
	set -- "${1%]}" "$2"
	if has_tool bash; then
		# shellcheck disable=SC2016
		timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" </dev/null >/dev/null 2>&1
	elif has_tool nc; then
		# Not every nc knows -z: one that is still connected when the time is over has been accepted.
		tcp_status_=0
		timeout 4 nc -w 2 "$1" "$2" </dev/null >/dev/null 2>&1 || tcp_status_=$?
		[ "$tcp_status_" -eq 0 ] || [ "$tcp_status_" -ge 124 ]
	elif has_tool curl; then
		case $(curl -s --connect-timeout 2 --max-time 2 --noproxy '*' -w '%{time_connect}' -o /dev/null "telnet://$1:$2" </dev/null 2>/dev/null || :) in '' | 0.000000) return 1 ;; esac
	else
		WHY=no-tcp-client EVIDENCE="bash, nc or curl is needed for tcp checks, none is on this host"
		return 1
	fi
}

health_unit() { # the unit is active within the time
	kv_value "$CONTRACT" "$HEALTH.unit"
	unit_name_=$VALUE
	has_tool systemctl || { WHY=no-systemd EVIDENCE="systemctl is not on this host"; return 1; }
	while :; do
		unit_=$unit_name_
		# Of a template the instance that serves.
		case $unit_ in *@.service) unit_=$(systemd_serving "${unit_%.service}") || unit_=$unit_name_ ;; esac
		if systemd_ask is-active --quiet "$unit_"; then break; fi
		uptime_cs
		if [ "$UPTIME_CS" -ge "$HEALTH_BY" ]; then
			EVIDENCE="$unit_ is $(systemd_ask is-active "$unit_" || :)"
			return 1
		fi
		nap 0.2
	done
	SAID="$unit_ active"
}

health_executable() { # the bundle's task says 0 within the time
	kv_value "$CONTRACT" "$HEALTH.task"
	executable_=$VALUE
	hook_run "$executable_" "do" "$(contract_number "$HEALTH.within-seconds" 60)" "$HEALTH_DIR/task" && SAID="$executable_ passed" && return 0
	case $WHY in task-*) WHY=unhealthy ;; esac
	return 1
}
