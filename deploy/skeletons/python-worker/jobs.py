"""One job, with one effect however often it comes: the effect and the job's key are committed together.

The key is the message's message_id, which the publisher chose. Put your own work into `prepare` and `commit`.
"""

import json
import os
import sqlite3
import threading
import time


class Jobs:
    def __init__(self, path):
        self.path = path
        self.own = threading.local()

    def do(self, key, body):
        """True when this call had the effect, False when an earlier one had it. Runs in a thread of the pool."""
        if key is None:
            raise ValueError("a job without message_id cannot be told from its repetition")
        db = self.database()
        if db.execute("SELECT 1 FROM finished WHERE key = ?", (key,)).fetchone():
            return False
        prepared = prepare(json.loads(body))
        with db:
            db.execute("BEGIN IMMEDIATE")
            # Another process may have been faster since we looked.
            if db.execute("INSERT OR IGNORE INTO finished VALUES (?)", (key,)).rowcount == 0:
                return False
            commit(db, key, prepared)
        return True

    def database(self):
        db = getattr(self.own, "db", None)
        if db is None:
            db = self.own.db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE IF NOT EXISTS finished (key TEXT PRIMARY KEY)")
            db.execute("CREATE TABLE IF NOT EXISTS booked (job TEXT, amount INTEGER, version TEXT)")
        return db


def prepare(job):
    """The long part, outside of the transaction; it may run again."""
    time.sleep(job.get("ms", 0) / 1000)
    return job["amount"]


def commit(db, key, amount):
    """The effect, in the transaction that remembers the key."""
    db.execute("INSERT INTO booked VALUES (?, ?, ?)", (key, amount, os.environ.get("CUTOVER_VERSION", "")))
