"""What a worker keeps in memory, handed to the process that comes after it: saved at the end and by the task `save-memory`, read at the start.

A process that is killed loses what it counted since it was saved last. What must not be lost belongs into the transaction of jobs.py.
"""

import collections
import json
import os
import threading


class Memory:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        saved = json.loads(path.read_text()) if path.exists() else {}
        if saved.get("format", 1) != 1:
            raise SystemExit(f"{path} was written by a version that this one does not understand")
        self.totals = collections.Counter(saved.get("totals", {}))

    def count(self, what):
        with self.lock:
            self.totals[what] += 1

    def save(self):
        """The old content or the new, never half of it; also when two ask at once."""
        with self.lock:
            new = self.path.with_suffix(".new")
            with open(new, "w") as file:
                json.dump({"format": 1, "totals": self.totals}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.path)
