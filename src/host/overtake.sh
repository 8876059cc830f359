# A controller that lost sight of a host takes back what a step there may still be at. Whatever that step has not begun by then it does
# not begin: no further group (runner.sh), no task that waited for its turn meanwhile (hook.sh, drain.sh).

overtake() { # RUN STEP: steps of the run that this one undoes, and that have not ended, are marked
	for overtake_other_ in "$STATE/runs/$1"/*; do
		[ "$overtake_other_" != "$STATE/runs/$1/$2" ] && [ -f "$overtake_other_/groups" ] && [ ! -e "$overtake_other_/result" ] || continue
		awk -F '\t' '
			NR == FNR { if ($3 == "undo") undone[$2] = 1; next }
			$3 == "do" && $2 in undone { found = 1; exit }
			END { exit !found }
		' "$STATE/runs/$1/$2/groups" "$overtake_other_/groups" || continue
		write_file "$overtake_other_/overtaken" "$2"
	done
}

overtaken() { # 0 with OVERTAKEN_WHY when a later step takes back what this one does
	[ -n "${JOB-}" ] && [ -f "$JOB/overtaken" ] || return 1
	read -r OVERTAKEN_WHY <"$JOB/overtaken"
	OVERTAKEN_WHY="step $OVERTAKEN_WHY takes back what this one does"
}

still_wanted() { # end the task when it is not. For what is not safe beside its own undo
	! overtaken || fail 66 taken-back "$OVERTAKEN_WHY"
}
