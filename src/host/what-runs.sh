# Which version a process runs, by what it shows of itself in /proc: its program, its directory and its arguments. For every strategy whose
# processes are told apart while old and new live side by side.

exec_runs() { # PID VERSION BORN-AFTER: it lives, was started after that tick, and shows no other version in its exe, directory or arguments
	find_born "$1" || return 1
	runs_born_=$BORN
	[ "$runs_born_" -ge "$3" ] || return 1
	runs_paths_=$(exec_paths "$1")
	while IFS= read -r runs_path_; do
		case $runs_path_ in
			"$ROOT/versions/$2" | "$ROOT/versions/$2/"*) ;;
			"$ROOT/versions/"*) return 1 ;;
		esac
	done <<-END
		$runs_paths_
	END
}

exec_paths() { # PID: print its program, its directory and those of its arguments that are paths, one a line. Read them by lines only: what a process calls itself would be a pattern for a shell
	readlink "/proc/$1/exe" 2>/dev/null || :
	readlink "/proc/$1/cwd" 2>/dev/null || :
	exec_arguments "$1" | grep '^/' || :
}

exec_arguments() { # PID: print its arguments, one a line, at most 64 KiB; nothing when it is gone
	{ head -c 65536 "/proc/$1/cmdline" | tr '\0' '\n'; } 2>/dev/null || :
}

runs_visibly() { # PID VERSION: its program, directory or an argument lies in that version, and none in another
	exec_runs "$1" "$2" 0 || return 1
	{
		readlink "/proc/$1/exe" || : # BusyBox's takes one only
		readlink "/proc/$1/cwd" || :
		exec_arguments "$1"
	} 2>/dev/null | grep -qF "$ROOT/versions/$2/" && return 0
	[ "$(readlink "/proc/$1/cwd" 2>/dev/null || :)" = "$ROOT/versions/$2" ]
}
