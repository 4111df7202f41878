"""The files of the store: SQLite's, which only their owner may read, for they hold Secrets. Called by `log` and `ledger`."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path


def connect(path: Path) -> sqlite3.Connection:
    """Opens a file, or makes it. What SQLite puts beside it gets the same rights. Raises ``sqlite3.Error``."""
    with suppress(OSError):  # SQLite meets the same trouble, and its words are told
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    return sqlite3.connect(path, check_same_thread=False, isolation_level=None)
