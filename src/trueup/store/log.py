"""The durable half of the store: an append-only log of changes, a row id per resource version.

Called by `store.state` alone. Rows go in, in order; they are on disk before ``append`` returns. `MemoryLog` and
`SqliteLog` pass one suite. Source of the shape: kine's single table (k3s), with the row id as the revision.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One change: ``value`` is the object's JSON, None for a deletion."""

    revision: int
    bucket: str
    namespace: str
    name: str
    value: bytes | None


class StoreProblem(Exception):
    """The store cannot do its work (disk full, file locked, file broken); says which file and what to do."""


class Log(Protocol):
    """Keeps rows."""

    durable: bool

    def load(self) -> Iterator[Row]:
        """The newest row of everything that exists, in the order of revisions."""
        ...

    def last_revision(self) -> int:
        """The newest revision ever given."""
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """All of these rows or none. Raises ``StoreProblem``."""
        ...

    def compact(self, before: int) -> int:
        """Forget rows older than a revision that newer ones have replaced; how many went."""
        ...

    def close(self) -> None: ...


class MemoryLog:
    """Keeps nothing: the present in memory is all there is."""

    durable = False

    def load(self) -> Iterator[Row]:
        return iter(())

    def last_revision(self) -> int:
        return 0

    def append(self, rows: Sequence[Row]) -> None:
        return None

    def compact(self, before: int) -> int:
        return 0

    def close(self) -> None:
        return None


_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  revision INTEGER PRIMARY KEY,
  bucket TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS log_by_key ON log (bucket, namespace, name, revision);
"""


class SqliteLog:
    """One SQLite file, written by one thread at a time, synchronous to disk."""

    durable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = _hold(path.with_suffix(".lock"))
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as problem:
            self._lock.close()
            raise StoreProblem(f"{path} cannot be opened: {problem}; move it away to start empty") from problem

    def load(self) -> Iterator[Row]:
        newest = "SELECT max(revision) FROM log GROUP BY bucket, namespace, name"
        query = f"SELECT * FROM log WHERE revision IN ({newest}) AND value IS NOT NULL ORDER BY revision"  # noqa: S608
        for row in self._db.execute(query):
            yield Row(*row)

    def last_revision(self) -> int:
        row = self._db.execute("SELECT max(revision) FROM log").fetchone()
        return int(row[0] or 0)

    def append(self, rows: Sequence[Row]) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
                [(row.revision, row.bucket, row.namespace, row.name, row.value) for row in rows],
            )
            self._db.execute("COMMIT")
        except sqlite3.Error as problem:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise StoreProblem(f"{self._path} cannot be written: {problem}") from problem

    def compact(self, before: int) -> int:
        newer = (
            "SELECT 1 FROM log AS n WHERE n.bucket = log.bucket AND n.namespace = log.namespace "
            "AND n.name = log.name AND n.revision > log.revision AND n.revision <= ?"
        )
        last = self.last_revision()
        gone = self._db.execute(
            f"DELETE FROM log WHERE revision < ? AND revision <> ? AND (value IS NULL OR EXISTS ({newer}))",  # noqa: S608
            (before, last, before),
        )
        return gone.rowcount

    def close(self) -> None:
        self._db.close()
        self._lock.close()


def _hold(path: Path) -> IO[str]:
    """An exclusive lock on the file for as long as it stays open; a second process is told who holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StoreProblem(
            f"{path.parent} is in use by another trueup (process {holder}): stop it, or choose another --state"
        ) from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file
