# Strategy `none`: the rename is the whole switch.

none_prepare() { # nothing is needed
	:
}

none_hand_over() { # nobody runs
	:
}

none_ready() { # print ready: files are
	echo ready
}

none_way_back() { # the rename was the way back
	:
}

none_finish() { # nothing is left over
	:
}
