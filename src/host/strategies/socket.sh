# Strategy `socket`: systemd keeps the listening sockets (switch.socket.N) through the switch, only the services behind them restart, so
# no listener closes (P11). Only for manager systemd.

socket_units() { # print the contract's socket units, one a line
	kv_list "$CONTRACT" switch.socket
}

socket_prepare() { # every socket unit can be used: loaded and not failed
	for socket_unit_ in $(socket_units); do
		systemctl reset-failed "$socket_unit_" </dev/null >/dev/null 2>&1 || :
		[ "$(systemctl show -p LoadState --value "$socket_unit_" </dev/null 2>/dev/null || :)" = loaded ] && continue
		WHY=socket-missing
		EVIDENCE="$socket_unit_ is not loaded on this host"
		return 1
	done
}

socket_open() { # start the sockets that are not active; those that listen are left alone
	for socket_unit_ in $(socket_units); do
		systemctl is-active --quiet "$socket_unit_" </dev/null 2>/dev/null || systemd_call start "$socket_unit_" || return 1
	done
}

socket_hand_over() { # sockets first, then a restart of the services
	socket_open && systemd_restart
}

socket_ready() { # print ready, pending or failed; a socket that went down is a failure
	for socket_unit_ in $(socket_units); do
		if ! systemctl is-active --quiet "$socket_unit_" </dev/null 2>/dev/null; then
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

socket_finish() { # nothing is left over
	:
}
