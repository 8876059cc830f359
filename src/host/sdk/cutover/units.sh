# ---- systemd units: what each was before this task touched it stands in CUTOVER_STATE/units/UNIT ---------------------------------

cutover_stop() { # UNIT…
	for _c_name in "$@"; do _c_unit stop "$_c_name"; done
}
cutover_start() { # UNIT…
	for _c_name in "$@"; do _c_unit start "$_c_name"; done
}
cutover_restart() { # UNIT…
	for _c_name in "$@"; do _c_unit restart "$_c_name"; done
}
_c_unit_state() { # UNIT: sets _c_unit_is: active, inactive, or none where there is no systemd. CUTOVER_UNITS: a test pretends to have units there
	_c_unit_is=inactive
	if [ -n "${CUTOVER_UNITS-}" ]; then
		_c_unit_is=active
		[ ! -f "$CUTOVER_UNITS/$1" ] || read -r _c_unit_is <"$CUTOVER_UNITS/$1"
	elif [ -n "${CUTOVER_PREFIX-}" ] || [ ! -d /run/systemd/system ]; then
		_c_unit_is=none
	else
		case $(systemctl is-active "$1" </dev/null) in active | activating | reloading) _c_unit_is=active ;; esac
	fi
}
_c_unit() { # stop|start|restart UNIT
	case $2 in '' | */* | [.-]*) cutover_fail "$2 is not a unit" ;; esac
	_c_unit_state "$2"
	case $1:$_c_unit_is in
	*:none)
		cutover_say "no systemd here: $1 $2 left out"
		return 0
		;;
	stop:inactive | start:active)
		cutover_say "already: $1 $2"
		return 0
		;;
	esac
	if cutover_dry_run; then
		cutover_say "would $1 $2"
		return 0
	fi
	_c_state units
	[ -f "$CUTOVER_STATE/units/$2" ] || _c_write "$CUTOVER_STATE/units/$2" "$_c_unit_is"
	_c_want=active
	[ "$1" != stop ] || _c_want=inactive
	if [ -n "${CUTOVER_UNITS-}" ]; then
		printf '%s\n' "$_c_want" >"$CUTOVER_UNITS/$2"
	else
		systemctl "$1" "$2" </dev/null || cutover_fail "systemctl $1 $2: $(systemctl status --no-pager --lines 5 "$2" </dev/null 2>&1 | tail -n 8)"
	fi
	_c_unit_state "$2"
	[ "$_c_unit_is" = "$_c_want" ] || cutover_fail "$2 is $_c_unit_is after $1"
	cutover_say "$1 $2"
}
