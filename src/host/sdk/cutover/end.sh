# ---- once, and waiting -----------------------------------------------------------------------------------------------------------

cutover_once() { # NAME COMMAND…: killed before its end, COMMAND runs again
	case $1 in '' | .* | *[!A-Za-z0-9._-]*) cutover_fail "$1 is not a name" ;; esac
	if [ -f "${CUTOVER_STATE-}/once/${CUTOVER_ACTION:-do}/$1" ]; then
		cutover_say "already: $1"
	elif cutover_dry_run; then
		cutover_say "would do $1"
	else
		_c_state "once/${CUTOVER_ACTION:-do}"
		# Not in a condition: there `set -e` would not count for what COMMAND does.
		_c_without_first "$@"
		[ "$?" -eq 0 ] || cutover_fail "$1 failed"
		_c_write "$CUTOVER_STATE/once/${CUTOVER_ACTION:-do}/$1" "done"
	fi
}
_c_without_first() {
	shift
	"$@"
}

_c_clock() { # sets _c_time, hundredths of a second since boot
	read -r _c_up _ </proc/uptime
	_c_part=${_c_up#*.}
	_c_time=$((${_c_up%.*} * 100 + 1$_c_part - 100))
}
cutover_wait_for() { # SECONDS WHAT: ends the task when it does not come true in time
	case $1 in '' | *[!0-9]*) cutover_fail "$1 is not a number of seconds" ;; esac
	case $2:$# in tcp:4 | http:3 | file:3 | run:[3-9]*) ;; *) cutover_fail "wait for tcp HOST PORT, http URL, file PATH or run COMMAND" ;; esac
	if cutover_dry_run; then
		cutover_say "would wait for $2 $3"
		return 0
	fi
	_c_seconds=$1
	shift
	# Said here: what is asked again and again says nothing.
	case $1 in
	tcp) _c_has bash || _c_has nc || cutover_fail "bash or nc is needed to wait for a port" ;;
	http) _c_has curl || _c_has wget || cutover_fail "curl or wget is needed to wait for an answer" ;;
	esac
	_c_clock
	_c_by=$((_c_time + _c_seconds * 100))
	until _c_holds "$@" >/dev/null 2>&1; do
		_c_clock
		[ "$_c_time" -lt "$_c_by" ] || cutover_fail "$1 $2 did not come true within $_c_seconds s"
		sleep 0.2
	done
	cutover_say "there: $1 $2"
}
_c_holds() { # WHAT: status 0 when it is so now
	case $1 in
	tcp) _c_accepts "$2" "$3" ;;
	http) _c_answers "$2" ;;
	file)
		_c_prefixed "$2"
		[ -e "$_c_at" ]
		;;
	run)
		shift
		(
			_c_may_fail=yes
			"$@"
		)
		;;
	esac
}
_c_has() { # PROGRAM
	command -v "$1" >/dev/null
}
_c_accepts() { # HOST PORT
	if _c_has bash; then
		# shellcheck disable=SC2016 # bash expands its own arguments
		timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$1" "$2" </dev/null
	else
		# Not every nc knows -z: one that is still connected when the time is over was accepted.
		_c_status=0
		timeout 4 nc -w 2 "$1" "$2" </dev/null || _c_status=$?
		[ "$_c_status" -eq 0 ] || [ "$_c_status" -ge 124 ]
	fi
}
_c_answers() { # URL: 2xx, no redirect followed
	if _c_has curl; then
		case $(curl -s --noproxy '*' --max-time 5 -o /dev/null -w '%{http_code}' -- "$1" </dev/null) in 2[0-9][0-9]) ;; *) return 1 ;; esac
	else
		timeout 6 wget -S -O /dev/null "$1" </dev/null 2>&1 | sed -n 's/.*HTTP\/1\.[01] \([0-9][0-9][0-9]\).*/\1/p' | head -n 1 | grep -q '^2'
	fi
}

# ---- at the start of every task, and when this is the task -----------------------------------------------------------------------

# What undo takes back was not done once any more, and the other way round.
case ${CUTOVER_ACTION-}${CUTOVER_DRY_RUN-} in
do) rm -rf "${CUTOVER_STATE:?}/once/undo" ;;
undo) rm -rf "${CUTOVER_STATE:?}/once/do" ;;
esac
case ${0##*/}:${CUTOVER_ACTION-} in
cutover.sh:undo) cutover_undo ;;
cutover.sh:*) cutover_fail "this is a library; as a program it is an undo" ;;
esac
