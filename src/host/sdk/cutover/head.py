#!/usr/bin/env python3
# cutover task SDK 1, for Python 3.9 and later. `cutover task sdk DIR` copies it beside the scripts that use it: import cutover
# A copy is signed with the task bundle. Do not edit it, copy it anew.
"""The calls of cutover.sh, with the same names, the same journal and the same promises: an undo in sh takes back what a do in Python did.

Standard library only; what takes long to load is imported where it is used.

What every call keeps to: it may be killed at any line and run again, with the same end. What was there is kept, durably, before it is
changed for the first time. In a dry run it says what it would do and changes nothing. When it cannot do its work it raises Failed, whose
words end the task. It prints names, never values: they may be secret. Paths are absolute, as on the host; in a test they lie below a
throw-away root. Give cutover.path(PATH) to tools and functions of your own.

    facts.component .version .from_version .root .host .address .run .task .action .state
    say(words)  progress(done, total, words)  raise Failed(words)  dry_run()  run(argv)
    get(file, key, default)         the value before this task changed FILE, so that it computes the same when it is run again
    edit(file, key, value)          unset(file, key); SECTION/KEY where FILE has [SECTION]s
    replace(file, old, new)         write_file(file, content, mode=None)  make_dir(dir, mode=0o755)  remove(path)
    keep(path)                      before something of your own changes it
    original(path)                  where it is as it was before this task, or None; convert from there, and it can be run again
    undo()                          what this task changed becomes what it was, units too; undo_edits() without units
    stop(*units)  start(*units)  restart(*units)
    once(name, function, *args)     not again when it ended well, also after a kill; undo makes do forget, do makes undo forget
    wait_for(seconds, "tcp", host, port) ("http", url) ("file", path) ("run", function, *args)
"""

import hashlib
import os
import re
import shutil
import stat
import time
import types
from pathlib import Path


class Failed(SystemExit):
    """What ends a task: its words are shown, the exit status is 1."""

    def __init__(self, words):
        super().__init__(f"cutover: {words}")


_FACTS = ("component", "version", "root", "host", "address", "run", "task", "action", "state")
facts = types.SimpleNamespace(from_version=os.environ.get("CUTOVER_FROM", ""))
for _name in _FACTS:
    setattr(facts, _name, os.environ.get(f"CUTOVER_{_name.upper()}", ""))
_PREFIX = os.environ.get("CUTOVER_PREFIX", "")


def say(words):
    print(words, flush=True)


def progress(done, total, words):
    say(f"progress {done}/{total} {words}")


def dry_run():
    return os.environ.get("CUTOVER_DRY_RUN", "") != ""


def run(argv, **options):
    """The command ends well, or the task ends. Not in a dry run."""
    if dry_run():
        return say(f"would run {argv[0]}")
    import subprocess

    ended = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, **options)
    if ended.returncode != 0:
        raise Failed(f"{argv[0]} ended with {ended.returncode}")
    return ended
