# Manager `none`: nothing runs, so every answer is "fine". For components that are only files (cutover-host is one).

none_start() { # nothing to start
	:
}

none_stop() { # nothing to stop
	:
}

none_restart() { # nothing to restart
	:
}

none_main_pid() { # no process: 1
	return 1
}

none_is_active() { # files are always there
	:
}

none_condition() { # print ready
	echo ready
}

none_status_evidence() { # nothing to tell
	:
}
