# Commit: the last phase of a release on a host. The trial ends for good, the older version may go.

task_commit_do() { # the confirmed trial is over, also one that an earlier run confirmed and left so when it took other hosts back: finish, write `committed`, raise the floor when asked, clean up. Again: done
	component_lock "$T_COMPONENT" 10 || fail 75 component-busy "somebody else works on $T_COMPONENT"
	load_contract "$T_COMPONENT" "$T_VERSION"
	commit_run_=$(trial_run_option)
	commit_floor_=$(task_option floor keep)
	case $commit_floor_ in keep | raise) ;; *) fail 64 bad-request "floor is raise or not given" ;; esac
	find_tree "$T_COMPONENT" "$T_VERSION" && commit_tree_=$FOUND_TREE || fail 66 version-not-built "$T_COMPONENT $T_VERSION is not built and verified on this host"
	read_current "$ROOT" || :
	[ "$CURRENT" = "$T_VERSION" ] || fail 66 not-current "current is ${CURRENT:-none}, not $T_VERSION"
	FROM=''
	TO=$T_VERSION
	TRIAL=$STATE/components/$T_COMPONENT/trial/.committing
	find_trial_state "$T_COMPONENT"
	case $TRIAL_STATE in
		confirmed)
			[ "$(trial_get "$T_COMPONENT" to)" = "$T_VERSION" ] || fail 66 not-on-trial "the trial is of $(trial_get "$T_COMPONENT" to)"
			trial_value "$T_COMPONENT" id
			commit_id_=$VALUE
			remove_tree "$TRIAL"
			# From here no end of probation can take it back: this rename decides between the two.
			trial_move "$T_COMPONENT" confirmed .committing || fail 66 reverted "the trial was taken back meanwhile"
			trial_unwatch "$T_COMPONENT" "$commit_id_"
			;;
		armed) fail 66 not-confirmed "$T_COMPONENT $T_VERSION is on trial and not confirmed" ;;
		reverting) fail 66 reverted "the way back from $(trial_get "$T_COMPONENT" to) is under way" ;;
		*) ;;
	esac
	commit_killed_=
	if [ -d "$TRIAL" ]; then
		kv_value "$TRIAL/trial" from || :
		FROM=$VALUE
		strategy_call finish || fail 71 "$WHY" "$EVIDENCE"
		commit_killed_=$(end_killed)
	fi
	commit_write
	rm -rf "$STATE/components/$T_COMPONENT/trial"
	commit_gc
	echo "committed=$T_VERSION removed=$GC_REMOVED$commit_killed_"
}

task_commit_undo() { # a commit is not undone; a release that goes back is a new switch
	echo "nothing to undo"
}

committed_by() { # RUN: 0 when that run has committed the component, or has decided to
	# In the order in which a commit moves: what has left the first since is written in the second.
	for by_record_ in "$(trial_dir "$T_COMPONENT")/.committing/trial" "$T_DIR/committed"; do
		[ "$(kv_get "$by_record_" run || :)" != "$1" ] || return 0
	done
	return 1
}

not_committed() { # RUN: end the task when it has: no undo takes that back, nor puts old data under it
	! committed_by "$1" ||
		fail 66 committed "run $1 has committed $(kv_get "$by_record_" to || kv_get "$T_DIR/committed" version): a release of the version before leads back"
}

commit_write() { # write `committed`, remember the version committed before it, raise the floor
	kv_value "$T_DIR/committed" version || :
	commit_before_=$VALUE
	if [ -n "$commit_before_" ] && [ "$commit_before_" != "$T_VERSION" ]; then
		(write_file "$T_DIR/previous" "version $commit_before_") || fail 74 cannot-write "cannot write $T_DIR/previous"
	fi
	if [ "$commit_floor_" = raise ]; then
		contract_value floor 0
		commit_raise_=$VALUE
		commit_floor_now_=0
		if [ -f "$T_DIR/floor" ]; then read -r commit_floor_now_ <"$T_DIR/floor"; fi
		[ "$commit_raise_" -le "$commit_floor_now_" ] || echo "$commit_raise_" | atomic_write "$T_DIR/floor" || fail 74 cannot-write "cannot write $T_DIR/floor"
	fi
	TEXT=
	kv_add run "$commit_run_"
	kv_add tree "$commit_tree_"
	kv_add version "$T_VERSION"
	(write_file "$T_DIR/committed" "$TEXT") || fail 74 cannot-write "cannot write $T_DIR/committed"
}

# ---- garbage collection -----------------------------------------------------

commit_gc() { # remove what nothing can go back to any more; sets GC_REMOVED. Failing to remove never fails a commit
	GC_REMOVED=0
	gc_versions || :
	gc_bundles || :
	gc_runs "$commit_run_" 20 || :
	count_paths "$STATE"/incoming/*
	_plain=$COUNT
	count_paths "$STATE"/incoming/.*.lock
	[ $((COUNT + _plain)) -eq 0 ] || find "$STATE/incoming" -maxdepth 1 -type f -mmin +1440 -exec rm -f {} + </dev/null 2>/dev/null || :
	# What a task that was killed left.
	_left=
	for _path in "$T_DIR"/.hook.* "$T_DIR"/.check.* "$T_DIR"/.health.* "$T_DIR"/*.new.* "$T_DIR"/.*.new.*; do [ ! -e "$_path" ] || _left=yes; done
	[ -z "$_left" ] || find "$T_DIR" -maxdepth 1 \( -name '.hook.*' -o -name '.check.*' -o -name '.health.*' -o -name '*.new.*' \) -mmin +1440 -exec rm -rf {} + </dev/null 2>/dev/null || :
}

gc_kept() { # VERSION: 0 when the component still needs it: current, committed, the one before, on trial, offered
	read_current "$ROOT" || :
	[ "$CURRENT" != "$1" ] || return 0
	for gc_file_ in committed previous; do
		kv_value "$T_DIR/$gc_file_" version && [ "$VALUE" = "$1" ] && return 0
	done
	for gc_key_ in from to; do
		trial_value "$T_COMPONENT" "$gc_key_" && [ "$VALUE" = "$1" ] && return 0
	done
	[ -d "$STATE/offers/$T_COMPONENT/$1" ]
}

gc_versions() { # versions of T_COMPONENT that nothing needs, and offers that a later one replaced, or older than a day (F27: open ones survive)
	for gc_path_ in "$STATE/offers/$T_COMPONENT"/*/; do
		gc_path_=${gc_path_%/}
		[ -d "$gc_path_" ] || continue
		[ "${gc_path_##*/}" != "$T_VERSION" ] || continue
		# Removed only when it is known to be older: what cannot be told stays.
		gc_newest_=$(stat -c %Y "$STATE/offers/$T_COMPONENT/$T_VERSION" 2>/dev/null) || gc_newest_=$(($(date +%s) - 86400))
		if gc_time_=$(stat -c %Y "$gc_path_") && [ "$gc_time_" -lt "$gc_newest_" ]; then rm -rf "$gc_path_"; fi
	done
	for gc_path_ in "$ROOT/versions"/*/; do
		gc_path_=${gc_path_%/}
		# Through a link made by hand we would take the marker of what it points at.
		[ -d "$gc_path_" ] && [ ! -L "$gc_path_" ] || continue
		if gc_kept "${gc_path_##*/}"; then continue; fi
		# The marker goes first: what is half removed is no version any more.
		rm -f "$gc_path_/.cutover-verified"
		if remove_tree "$gc_path_"; then
			rm -rf "$T_DIR/releases/${gc_path_##*/}"
			GC_REMOVED=$((GC_REMOVED + 1))
		fi
	done
	for gc_path_ in "$T_DIR/backups"/* "$T_DIR/backups"/.[!.]* "$T_DIR/tasks"/*; do # those with a dot were left by a task that was killed
		gc_name_=${gc_path_##*/}
		case $gc_name_ in "$commit_run_" | "$T_RUN" | '*' | '.[!.]*') continue ;; esac
		if gc_time_=$(stat -c %Y "$gc_path_") && [ "$gc_time_" -lt "$(($(date +%s) - 3600))" ]; then remove_tree "$gc_path_" || :; fi
	done
}

gc_bundles() { # bundles that no built version and no offer names
	for gc_path_ in "$STATE/bundles"/*/; do
		gc_path_=${gc_path_%/}
		[ -d "$gc_path_" ] || continue
		is_hex64 "${gc_path_##*/}" || continue
		if grep -lqs "^bundle sha256:${gc_path_##*/}\$" "$STATE"/components/*/releases/*/release "$STATE"/offers/*/*/release; then continue; fi
		rm -f "$gc_path_/.cutover-verified"
		remove_tree "$gc_path_" || :
	done
}

gc_runs() { # RUN COUNT: runs older than the newest COUNT, never that one nor one whose trial is open or where somebody works
	count_paths "$STATE/runs"/*
	[ "$COUNT" -gt "$2" ] || return 0
	# shellcheck disable=SC2012 # run ids have a strict grammar: no blank, no newline
	ls -1t "$STATE/runs" 2>/dev/null | tail -n "+$(($2 + 1))" | while read -r gc_run_; do
		case $gc_run_ in "$1" | "${T_RUN-}") continue ;; esac
		is_run "$gc_run_" || continue
		! grep -qsx "run $gc_run_" "$STATE"/components/*/trial/*/trial || continue
		gc_busy_=
		for gc_lock_ in "$STATE/runs/$gc_run_"/*/lock; do
			# A service that a task started may hold the lock of a step that has ended.
			[ ! -f "$gc_lock_" ] || [ -f "${gc_lock_%/lock}/result" ] || flock -n "$gc_lock_" true || gc_busy_=yes
		done
		[ -n "$gc_busy_" ] || remove_tree "$STATE/runs/$gc_run_" || :
	done
}
