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


# ---- places, and what is kept of them: CUTOVER_STATE/edits/NUMBER.SHA256-OF-PATH/{path, original or absent} --------------------------


def path(name):
    """Where an absolute path of the host is."""
    name = os.fspath(name)
    if "\n" in name or not name.startswith("/") or not name.strip("/"):
        raise Failed(f"{name!r} is not an absolute path")
    name = name[:-1] if name.endswith("/") else name
    return name if _PREFIX and name.startswith(f"{_PREFIX}/") else _PREFIX + name


def _place(name):
    """The same with links in its directory followed. The path itself may be a link, or not be there."""
    given = path(name)
    directory, base = os.path.split(given)
    if not os.path.isdir(directory or "/"):
        if dry_run():
            return given
        raise Failed(f"{name}: its directory is not there")
    at = os.path.join(os.path.realpath(directory or "/"), base)
    if facts.root and at.startswith(os.path.realpath(os.path.join(facts.root, "versions")) + "/"):
        raise Failed(f"{name}: a version is a signed tree and is never changed")
    return at


def _file(name):
    """The file itself where the path is a link to one."""
    at = _place(name)
    if os.path.islink(at):
        if not os.path.isfile(at):
            raise Failed(f"{name} is not a link to a file")
        at = _place(os.path.realpath(at))
    if os.path.isdir(at):
        raise Failed(f"{name} is a directory")
    return at


def _shown(at):
    return at[len(_PREFIX) :] if _PREFIX and at.startswith(f"{_PREFIX}/") else at


def _beside(at, word):
    directory, base = os.path.split(at)
    return os.path.join(directory, f".{base}.cutover-{word}")


def _sync(name):
    handle = os.open(name, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(top):
    for directory, _, names in os.walk(top):
        for name in names:
            full = os.path.join(directory, name)
            if stat.S_ISREG(os.lstat(full).st_mode):
                _sync(full)
        _sync(directory)


def _discard(at):
    if os.path.isdir(at) and not os.path.islink(at):
        shutil.rmtree(at)
    elif os.path.lexists(at):
        os.unlink(at)


def _write(at, text):
    """As a whole and durably."""
    with open(f"{at}.new", "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(f"{at}.new", at)
    _sync(os.path.dirname(at))


def _state(name):
    if not os.path.isdir(facts.state):
        raise Failed("CUTOVER_STATE is no directory: tasks run on hosts, or by 'cutover task test'")
    directory = os.path.join(facts.state, name)
    if not os.path.isdir(directory):
        os.makedirs(directory)
        _sync(facts.state)
    return directory


def _copy_one(source, target):
    shutil.copy2(source, target, follow_symlinks=False)
    was = os.lstat(source)
    os.chown(target, was.st_uid, was.st_gid, follow_symlinks=False)
    if not os.path.islink(target):
        os.chmod(target, stat.S_IMODE(was.st_mode))


def _copy(source, target):
    """Exactly, also mode and owner."""
    _discard(target)
    if os.path.islink(source) or os.path.isfile(source):
        _copy_one(source, target)
    elif os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True, copy_function=_copy_one)
        for directory, _, _ in os.walk(source):
            was = os.lstat(directory)
            there = os.path.join(target, os.path.relpath(directory, source))
            os.chown(there, was.st_uid, was.st_gid)
            os.chmod(there, stat.S_IMODE(was.st_mode))
    else:
        raise Failed(f"{source} is neither file, link nor directory")


def _entries():
    directory = os.path.join(facts.state, "edits")
    names = os.listdir(directory) if facts.state and os.path.isdir(directory) else []
    return [os.path.join(directory, name) for name in sorted(names) if name[0].isdigit()]


def _digest(at):
    return hashlib.sha256(os.fsencode(at)).hexdigest()


def _kept(at):
    return next((entry for entry in _entries() if entry.endswith(f".{_digest(at)}")), None)


def _keep(at):
    """Keeps what is there now, unless something is kept of it: then this task has changed it already."""
    directory = _state("edits")
    if _kept(at):
        return
    new = os.path.join(directory, f".new.{_digest(at)}")
    _discard(new)
    os.mkdir(new, 0o700)
    Path(new, "path").write_bytes(os.fsencode(at) + b"\n")
    if os.path.lexists(at):
        _copy(at, os.path.join(new, "original"))
    else:
        Path(new, "absent").write_bytes(b"")
    _sync_tree(new)
    last = max([int(os.path.basename(entry)[:5]) for entry in _entries()], default=0)
    os.rename(new, os.path.join(directory, f"{last + 1:05d}.{_digest(at)}"))
    _sync(directory)


def keep(name):
    """Where it is a link, what it points to, since that is what a tool would change."""
    at = _place(name)
    at = _place(os.path.realpath(at)) if os.path.exists(at) else at
    if dry_run():
        say(f"would keep {name}")
    else:
        _keep(at)


def original(name):
    at = _before(name)
    return at if os.path.lexists(at) else None


def _before(name):
    """Where it is as it was before this task, also when its directory is gone since."""
    at = path(name)
    asked = os.path.realpath(at) if os.path.exists(at) else os.path.join(os.path.realpath(os.path.dirname(at)), os.path.basename(at))
    # What was kept first, of the path itself or of a directory that it is in, is from before all changes.
    kept = {entry[-64:]: entry for entry in _entries()}
    found = [(kept[_digest(asked)], "")] if _digest(asked) in kept else []
    for above in (os.fspath(each) for each in Path(asked).parents):
        if _digest(above) in kept:
            found.append((kept[_digest(above)], asked[len(above) :]))
    if not found:
        return asked
    entry, rest = min(found)
    return os.path.join(entry, "original") + rest


# ---- edits: prepared aside, kept, then one rename ------------------------------------------------------------------------------------


def _apply(at, content, words, mode=None):
    there = os.path.isfile(at)
    if there and Path(at).read_bytes() == content and mode in (None, stat.S_IMODE(os.stat(at).st_mode)):
        say(f"already: {words}")
    elif dry_run():
        say(f"would {words}")
    else:
        _keep(at)
        side = _beside(at, "new")
        _discard(side)
        bits = mode if mode is not None else stat.S_IMODE(os.stat(at).st_mode) if there else 0o644
        if there:
            _copy_one(at, side)
            os.chmod(side, bits | stat.S_IWUSR)
        with open(side, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.chmod(side, bits)
            os.fsync(handle.fileno())
        os.replace(side, at)
        _sync(os.path.dirname(at))
        say(words)


def write_file(name, content, mode=None):
    """The whole content, text or bytes."""
    _apply(_file(name), content.encode() if isinstance(content, str) else content, f"write {name}", mode)


def make_dir(name, mode=0o755):
    at = _place(name)
    if os.path.isdir(at):
        return
    if dry_run():
        say(f"would make {name}")
        return
    _keep(at)
    side = _beside(at, "new")
    _discard(side)
    os.mkdir(side)
    os.chmod(side, mode)
    os.rename(side, at)
    _sync(os.path.dirname(at))
    say(f"make {name}")


def remove(name):
    at = _place(name)
    if not os.path.lexists(at):
        say(f"already: remove {name}")
    elif dry_run():
        say(f"would remove {name}")
    else:
        _keep(at)
        _discard(at)
        _sync(os.path.dirname(at))
        say(f"remove {name}")


def _text_file(name, at):
    content = Path(at).read_bytes()
    if b"\0" in content:
        raise Failed(f"{name} is no text file")
    return content


def _not_there_yet(name, at, words):
    """In a dry run a file may be missing that the task itself would have made."""
    if os.path.isfile(at):
        return False
    if not dry_run():
        raise Failed(f"{name} is not there")
    say(f"would {words} in {name}")
    return True


def _swap(text, old, new):
    """Where NEW stands already it stays."""
    out = []
    while (o := text.find(old)) >= 0:
        n = text.find(new) if new else -1
        if 0 <= n <= o:
            out.append(text[: n + len(new)])
            text = text[n + len(new) :]
        else:
            out.append(text[:o] + new)
            text = text[o + len(old) :]
    return b"".join(out) + text


def replace(name, old, new):
    at = _file(name)
    if _not_there_yet(name, at, "replace a text"):
        return
    text, old, new = _text_file(name, at), old.encode(), new.encode()
    if not old or (old not in text and not (new and new in text)):
        # A later edit of this task may have changed it once more: no reason to stop when the task is run again.
        if not old or not _kept(at):
            raise Failed(f"{name} does not hold that text")
    swapped = _swap(text, old, new)
    if _swap(swapped, old, new) != swapped:
        raise Failed(f"{name}: to replace that twice is not the same as once")
    _apply(at, swapped, f"replace a text in {name}")


# ---- keys of a configuration file: KEY=VALUE, KEY: VALUE or KEY VALUE, with or without [SECTION]s; # and ; begin a comment ------------


def get(name, key, default=None):
    at = _before(name)
    value = _Keys(name, _text_file(name, at), key).value() if os.path.isfile(at) else None
    if value is None and default is None:
        raise Failed(f"{name} has no {key}")
    return default if value is None else value


def edit(name, key, value):
    _change(name, "set", key, str(value))


def unset(name, key):
    _change(name, "unset", key, None)


def _change(name, what, key, value):
    if "\n" in f"{key}{value or ''}":
        raise Failed(f"{name}: a key or value has more than one line")
    at = _file(name)
    if not _not_there_yet(name, at, f"{what} {key}"):
        _apply(at, _Keys(name, _text_file(name, at), key).changed(value), f"{what} {key} in {name}")


_HEADER = re.compile(rb"[ \t]*\[([^]]*)\][ \t]*")
_COMMENT = re.compile(rb"[ \t]*(?:[#;].*)?", re.DOTALL)
_SIGN = re.compile(rb"[^ \t=:]+[ \t]*[=:]")


class _Keys:
    """Where a key stands among the lines of a file, and how its neighbours are written."""

    def __init__(self, name, content, key):
        section, slash, bare = key.partition("/")
        self.section, self.key = (section.encode(), bare.encode()) if slash else (b"", key.encode())
        self.ended = content.endswith(b"\n") or not content
        lines = content.split(b"\n")
        self.lines = lines[:-1] if self.ended else lines
        self.like, self.found, self.last, self.sections = b"", None, None, 0
        written = [text[self._lead(text) :] for text in map(self._bare, self.lines) if not _HEADER.fullmatch(text) and not _COMMENT.fullmatch(text)]
        signs = sum(1 if _SIGN.match(text) else -1 for text in written)
        self.style = b" " if signs < 0 else b"="  # as most lines are written
        self._read(name, key)

    @staticmethod
    def _bare(line):
        return line[:-1] if line.endswith(b"\r") else line

    @staticmethod
    def _lead(line):
        return re.match(rb"[ \t]*(?:export[ \t]+)?", line).end()

    def _separator(self, rest):
        found = re.match(rb"[ \t]*=[ \t]*|[ \t]+" if self.style == b" " else rb"[ \t]*[=:][ \t]*", rest)
        return found.group() if found else b""

    def _read(self, name, key):
        now, times = b"", 0
        for number, line in enumerate(self.lines):
            text = self._bare(line)
            header = _HEADER.fullmatch(text)
            if header:
                now, self.sections = header.group(1), self.sections + 1
                self.last = number if now == self.section else self.last
                continue
            if _COMMENT.fullmatch(text):
                continue
            text = text[self._lead(text) :]
            if not self.like and bool(_SIGN.match(text)) == (self.style == b"="):
                self.like = self._separator(re.sub(rb"^[^ \t=:]+", b"", text))
            if now != self.section:
                continue
            self.last = number
            rest = text[len(self.key) :]
            between = self._separator(rest)
            if text.startswith(self.key) and (between or not rest.strip(b" \t")):
                self.found, self.gap, times = number, between, times + 1
        if times > 1:
            raise Failed(f"{name} has {key} more than once")

    def value(self):
        if self.found is None:
            return None
        line = self._bare(self.lines[self.found])
        return line[self._lead(line) + len(self.key) + len(self.gap) :].decode(errors="surrogateescape")

    def changed(self, value):
        like = self.like or (b" " if self.style == b" " else b"=")
        lines = list(self.lines)
        text = None if value is None else value.encode(errors="surrogateescape")
        if self.found is not None:
            line = lines[self.found]
            end = b"\r" if line.endswith(b"\r") else b""
            put = [] if text is None else [line[: self._lead(line)] + self.key + (self.gap or like) + text + end]
            lines[self.found : self.found + 1] = put
        elif text is not None:
            lines = self._added(lines, self.key + like + text)
        return b"\n".join(lines) + (b"\n" if self.ended and lines else b"")

    def _added(self, lines, line):
        if not self.section and not self.sections:
            after = len(lines)
        elif self.section and self.last is None:
            after = len(lines)
            line = (b"\n" if lines else b"") + b"[" + self.section + b"]\n" + line
        else:
            after = 0 if self.last is None else self.last + 1
        end = b"\r" if after and lines[after - 1].endswith(b"\r") else b""
        return lines[:after] + [line + end] + lines[after:]


# ---- the way back --------------------------------------------------------------------------------------------------------------------


def _put_back(entry):
    at = os.fsdecode(Path(entry, "path").read_bytes()[:-1])
    for word in ("new", "back", "was"):
        _discard(_beside(at, word))
    if os.path.exists(os.path.join(entry, "absent")):
        _discard(at)
    else:
        side, gone = _beside(at, "back"), _beside(at, "was")
        _copy(os.path.join(entry, "original"), side)
        if not os.path.islink(side):
            _sync_tree(side) if os.path.isdir(side) else _sync(side)
        # Only what is no directory can be replaced in one step.
        if any(os.path.isdir(each) and not os.path.islink(each) for each in (at, side)) and os.path.lexists(at):
            os.rename(at, gone)
        os.rename(side, at)
        _discard(gone)
    if os.path.isdir(os.path.dirname(at)):
        _sync(os.path.dirname(at))
    return at


def undo_edits():
    """The last first. What is back is forgotten, so that this can be killed and run again."""
    for entry in reversed(_entries()):
        if dry_run():
            say(f"would put back {_shown(os.fsdecode(Path(entry, 'path').read_bytes()[:-1]))}")
            continue
        at = _put_back(entry)
        directory = os.path.dirname(entry)
        gone = os.path.join(directory, ".gone")
        _discard(gone)
        os.rename(entry, gone)
        _sync(directory)
        _discard(gone)
        say(f"put back {_shown(at)}")


def undo():
    """Units that this task touched stand still meanwhile, and are then what they were."""
    directory = os.path.join(facts.state, "units")
    units = sorted(os.listdir(directory)) if facts.state and os.path.isdir(directory) else []
    units = [name for name in units if not name.endswith(".new")]
    stop(*units)
    undo_edits()
    for name in units:
        if Path(directory, name).read_text().strip() == "active":
            start(name)
    if not dry_run() and facts.state:
        for name in ("units", "work"):
            _discard(os.path.join(facts.state, name))


# ---- systemd units: what each was before this task touched it stands in CUTOVER_STATE/units/UNIT -------------------------------------


def stop(*units):
    for name in units:
        _unit("stop", name)


def start(*units):
    for name in units:
        _unit("start", name)


def restart(*units):
    for name in units:
        _unit("restart", name)


def _unit_state(name):
    pretended = os.environ.get("CUTOVER_UNITS")  # a test pretends to have units there
    if pretended:
        file = Path(pretended, name)
        return file.read_text().strip() if file.exists() else "active"
    if _PREFIX or not os.path.isdir("/run/systemd/system"):
        return "none"
    asked = _systemctl("is-active", name)
    return "active" if asked.stdout.strip() in ("active", "activating", "reloading") else "inactive"


def _systemctl(*words):
    import subprocess

    told = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(["systemctl", *words], text=True, check=False, **told)


def _unit(what, name):
    if not name or "/" in name or name[0] in ".-":
        raise Failed(f"{name!r} is not a unit")
    now, want = _unit_state(name), "inactive" if what == "stop" else "active"
    if now == "none":
        say(f"no systemd here: {what} {name} left out")
    elif now == want and what != "restart":
        say(f"already: {what} {name}")
    elif dry_run():
        say(f"would {what} {name}")
    else:
        was = os.path.join(_state("units"), name)
        if not os.path.exists(was):
            _write(was, f"{now}\n")
        pretended = os.environ.get("CUTOVER_UNITS")
        if pretended:
            Path(pretended, name).write_text(f"{want}\n")
        elif (ended := _systemctl(what, name)).returncode != 0:
            raise Failed(f"systemctl {what} {name}: {ended.stdout[-2000:]}")
        if _unit_state(name) != want:
            raise Failed(f"{name} is {_unit_state(name)} after {what}")
        say(f"{what} {name}")


# ---- once, and waiting ---------------------------------------------------------------------------------------------------------------


def once(name, function, *args):
    """Killed before its end, FUNCTION runs again."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
        raise Failed(f"{name!r} is not a name")
    action = facts.action or "do"
    if facts.state and os.path.exists(os.path.join(facts.state, "once", action, name)):
        say(f"already: {name}")
    elif dry_run():
        say(f"would do {name}")
    else:
        marks = _state(f"once/{action}")
        function(*args)
        _write(os.path.join(marks, name), "done\n")


def wait_for(seconds, what, *args):
    """Ends the task when it does not come true in time."""
    holds = {"tcp": _accepts, "http": _answers, "file": lambda name: os.path.exists(path(name)), "run": _is_true}
    if what not in holds or not args:
        raise Failed('wait for "tcp", HOST, PORT; "http", URL; "file", PATH; or "run", FUNCTION')
    shown = getattr(args[0], "__name__", args[0])
    if dry_run():
        say(f"would wait for {what} {shown}")
        return
    by = time.monotonic() + seconds
    while not holds[what](*args):
        if time.monotonic() >= by:
            raise Failed(f"{what} {shown} did not come true within {seconds} s")
        time.sleep(0.2)
    say(f"there: {what} {shown}")


def _is_true(function, *args):
    try:
        return function(*args)
    except Failed:
        return False


def _accepts(host, port):
    import socket

    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return True
    except OSError:
        return False


def _answers(url):
    """2xx, no redirect followed."""
    import urllib.request

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(url, timeout=5) as reply:
            return 200 <= reply.status < 300
    except OSError:  # also what urllib and http raise
        return False


# ---- at the start of every task, and when this is the task ---------------------------------------------------------------------------

# What undo takes back was not done once any more, and the other way round.
if facts.state and not dry_run() and facts.action in ("do", "undo"):
    _discard(os.path.join(facts.state, "once", "undo" if facts.action == "do" else "do"))

if __name__ == "__main__":
    if facts.action != "undo":
        raise Failed("this is a library; as a program it is an undo")
    undo()
