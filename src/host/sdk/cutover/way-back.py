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
