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
