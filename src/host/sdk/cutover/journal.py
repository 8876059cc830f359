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
