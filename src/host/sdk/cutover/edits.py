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
