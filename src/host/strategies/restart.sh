# Strategy `restart`: stop the old version, start the new one. Connections are refused in between; socket and exec avoid that.

restart_prepare() { # nothing to prepare: check has looked at units and tools
	:
}

restart_hand_over() { # stop and start through the manager, what FROM ran in other units, too; a hand-over that was interrupted starts over
	units_stop "$FROM" && manager_restart
}

restart_ready() { # print ready, pending or failed
	manager_condition
}

restart_way_back() { # restart on what current names now; a first install that goes back only stops
	if [ -z "$FROM" ]; then
		manager_stop
	else
		manager_restart
	fi
}

restart_finish() { # nothing is left over
	:
}
