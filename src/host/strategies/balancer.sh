# Strategy `balancer`: another machine takes this host out of traffic before the switch and puts it back after it (tasks of that machine, in
# the plan of the run); here the version is replaced as by `restart`, while nobody asks.

balancer_prepare() { # nothing to prepare: what must be done ahead is done on the other machine
	restart_prepare
}

balancer_hand_over() { # stop and start; a hand-over that was interrupted starts over
	restart_hand_over
}

balancer_ready() { # print ready, pending or failed
	restart_ready
}

balancer_way_back() { # restart on what current names now; where nobody leads the way back, traffic may be here or not: the balancer's own checks decide
	restart_way_back
}

balancer_finish() { # nothing is left over
	restart_finish
}
