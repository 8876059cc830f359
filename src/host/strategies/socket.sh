# Strategy `socket`: systemd keeps the listening sockets (switch.socket.N) through the switch, only the services behind them restart, so
# no listener closes (P11). Only for manager systemd. A crash loop that hits a start or trigger limit would make systemd close the socket
# (F15), so while a trial is open drop-ins in /run lift these limits; they go with its commit or its way back.

socket_units() { # print the contract's socket units, one a line
	kv_list "$CONTRACT" switch.socket
}

socket_drop_in() { # UNIT: print where T_COMPONENT's drop-in for it lies; gone with the next boot at the latest. Another component may have one for the same unit
	echo "/run/systemd/system/$1.d/90-cutover-trial-$T_COMPONENT.conf"
}

socket_lift_limits() { # no start limit on the services, no trigger limit on the sockets; 1 with WHY and EVIDENCE
	WHY=cannot-write EVIDENCE="cannot write drop-ins below /run/systemd/system"
	for lift_unit_ in $(systemd_units service) $(socket_units); do
		lift_file_=$(socket_drop_in "$lift_unit_")
		(umask 022 && mkdir -p "${lift_file_%/*}") || return 1
		case $lift_unit_ in
			*.socket) printf '[Socket]\nTriggerLimitIntervalSec=0\n' ;;
			*) printf '[Unit]\nStartLimitIntervalSec=0\n' ;;
		esac >"$lift_file_" || return 1
		chmod 644 "$lift_file_"
	done
	systemd_call daemon-reload
}

socket_prepare() { # every socket unit can be used: loaded and not failed; limits that would close it are lifted
	for socket_unit_ in $(socket_units); do
		systemd_ask reset-failed "$socket_unit_" >/dev/null || :
		socket_said_=$(until_answered systemd_answer show -p LoadState --value "$socket_unit_") || {
			manager_unanswered "whether $socket_unit_ is loaded"
			return 1
		}
		[ "$socket_said_" != loaded ] || continue
		WHY=socket-missing
		EVIDENCE="$socket_unit_ is not loaded on this host"
		return 1
	done
	socket_lift_limits
}

socket_open() { # start the sockets that are not active; those that listen are left alone
	for socket_unit_ in $(socket_units); do
		open_rc_=0
		until_answered systemd_all_active "$socket_unit_" || open_rc_=$?
		case $open_rc_ in
			0) continue ;;
			2)
				manager_unanswered "whether $socket_unit_ is active"
				return 1
				;;
		esac
		# systemd refuses to open a socket whose service runs already.
		# shellcheck disable=SC2046 # unit names have no blanks
		systemd_call stop $(systemd_units service) || return 1
		systemd_ask reset-failed "$socket_unit_" >/dev/null || :
		systemd_call start "$socket_unit_" || return 1
	done
}

socket_hand_over() { # sockets first, then a restart of the services
	socket_open && systemd_restart
}

socket_ready() { # print ready, pending or failed; a socket that went down is a failure
	for socket_unit_ in $(socket_units); do
		if says_no systemd_all_active "$socket_unit_"; then
			echo failed
			return 0
		fi
	done
	systemd_condition
}

socket_way_back() { # the same with current pointing back; a first install that goes back closes its sockets too
	if [ -z "$FROM" ]; then
		# shellcheck disable=SC2046 # unit names have no blanks
		systemd_call stop $(systemd_units) $(socket_units)
	else
		socket_open && systemd_restart
	fi
}

socket_finish() { # the limits are the operator's again. Until systemd has read that, the files lie beside by a name that it does not read, or nobody would know that it has to
	finish_lifted_=
	for finish_unit_ in $(systemd_units service) $(socket_units); do
		finish_file_=$(socket_drop_in "$finish_unit_")
		WHY=cannot-write EVIDENCE="cannot rename $finish_file_"
		[ ! -e "$finish_file_" ] || mv -fT "$finish_file_" "$finish_file_.over" || return 1
		[ ! -e "$finish_file_.over" ] || finish_lifted_="$finish_lifted_ $finish_unit_"
	done
	[ -n "$finish_lifted_" ] || return 0
	systemd_call daemon-reload || return 1
	for finish_unit_ in $finish_lifted_; do
		finish_file_=$(socket_drop_in "$finish_unit_").over
		rm -f "$finish_file_"
		rmdir "${finish_file_%/*}" 2>/dev/null || : # what else lies there is the operator's
	done
}

socket_settle() { # VERSION: the same for a trial of that version of T_COMPONENT that is over without a commit, or was none; whoever stands before it does not matter
	(
		units_contract "$1" || exit 0
		CONTRACT=$UNITS_CONTRACT
		! strategy_is socket || socket_finish
	) || :
}
