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
