# main.sh: the entry words. The stub calls `sh STATE/host/current/host.sh STATE WORD…`; so do timers and the runner, with internal words.

# load_enrolment STATE: sets STATE HOST_NAME ADDRESS MODE MY_UID from a state directory that only root (or we) can have written.
load_enrolment() {
	{ is_abs_path "$1" && [ -d "$1" ]; } || fail 78 not-enrolled "$1 is not a state directory"
	real_path "$1" || fail 78 not-enrolled "$1 is not a state directory"
	STATE=$REAL
	[ -f "$STATE/enrolment" ] || fail 78 not-enrolled "$STATE/enrolment is not there"
	# The mode decides what check_private tolerates, so it is read first and believed only after the check.
	kv_raw "$STATE/enrolment" mode || RAW=system
	MODE=$RAW
	case $MODE in system | user) ;; *) fail 78 bad-enrolment "mode $MODE" ;; esac
	read_uid
	[ "$MODE" = user ] || [ "$MY_UID" -eq 0 ] || fail 78 bad-enrolment "system mode needs root"
	check_private "$STATE/enrolment"
	{ kv_raw "$STATE/enrolment" format && [ "$RAW" = cutover-enrolment/1 ]; } || fail 78 bad-enrolment "not a cutover-enrolment/1"
	{ kv_raw "$STATE/enrolment" host && is_host "$RAW"; } || fail 78 bad-enrolment "no host name"
	HOST_NAME=$RAW
	ADDRESS=127.0.0.1
	! kv_raw "$STATE/enrolment" address || ADDRESS=$RAW
	if kv_raw "$STATE/enrolment" prefix; then
		{ [ "$MODE" = user ] && unfield "$RAW" && is_abs_path "$VALUE"; } || fail 78 bad-enrolment "prefix $RAW"
		PREFIX=$VALUE
	fi
	case $ADDRESS in -* | *[!A-Za-z0-9.:-]*) fail 78 bad-enrolment "address $ADDRESS" ;; esac
}

# read_uid: sets MY_UID, the effective one.
read_uid() {
	MY_UID=
	while read -r _k _ MY_UID _; do
		[ "$_k" != Uid: ] || break
	done 2>/dev/null </proc/self/status || :
	is_number "$MY_UID" || MY_UID=$(id -u)
}

main() {
	[ $# -ge 2 ] || fail 64 usage "host.sh STATE session | version | guard | revert C ID | probation C ID | undrain C RUN | run-step RUN STEP"
	# Not by the name `current`: what this process starts is the version that it is.
	case $0 in
	/*) if [ ! -L "$0" ] && real_path "${0%/*}"; then SELF=$REAL/${0##*/}; else SELF=$(readlink -f "$0"); fi ;;
	*) SELF=$(readlink -f "$0") ;;
	esac
	PATH=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
	export PATH
	if [ "$2" = version ]; then
		printf 'cutover-host %s %s\n' "$PROTOCOL" "$HOST_SH_VERSION"
		return 0
	fi
	load_enrolment "$1"
	_word=$2
	shift 2
	IDLE_SECONDS=600
	case ${CUTOVER_IDLE_SECONDS-} in '' | *[!0-9]*) ;; *) [ "$MODE" != user ] || IDLE_SECONDS=$CUTOVER_IDLE_SECONDS ;; esac
	case $_word in
	session) word_session ;;
	run-step) word_run_step "$@" ;;
	guard) word_guard ;;
	revert | probation | undrain)
		{ [ $# -eq 2 ] && is_component "$1" && is_run "$2"; } || fail 64 usage "$_word COMPONENT ID"
		"word_$_word" "$@"
		;;
	*) fail 64 usage "unknown word" ;;
	esac
}

main "$@"
