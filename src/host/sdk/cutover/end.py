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
