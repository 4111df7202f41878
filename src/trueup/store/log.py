"""The durable half of the store: an append-only log of changes, a row id per resource version.

Called by `store.state` alone. Rows go in, in order; they are on disk before ``append`` returns. `MemoryLog` and
`SqliteLog` pass one suite. Source of the shape: kine's single table (k3s), with the row id as the revision.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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

    def compact(self, upto: int) -> int:
        """Forget rows that rows up to a revision have replaced, and deletions up to it; how many rows went."""
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

    def compact(self, upto: int) -> int:
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
CREATE INDEX IF NOT EXISTS log_gone ON log (revision) WHERE value IS NULL;
CREATE TABLE IF NOT EXISTS compacted (revision INTEGER NOT NULL) STRICT;
"""

_REPLACED = """
DELETE FROM log WHERE revision IN (
  SELECT old.revision FROM log AS new
  JOIN log AS old USING (bucket, namespace, name)
  WHERE new.revision > ? AND new.revision <= ? AND old.revision < new.revision
)
"""
_DELETIONS = "DELETE FROM log WHERE value IS NULL AND revision <= ? AND revision <> (SELECT max(revision) FROM log)"
"""The newest row stays whatever it is: revisions count on from it."""


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
        try:
            for row in self._db.execute(query):
                yield Row(*row)
        except sqlite3.Error as problem:
            raise StoreProblem(f"{self._path} cannot be read: {problem}; restore it, or move it away") from problem

    def last_revision(self) -> int:
        try:
            row = self._db.execute("SELECT max(revision) FROM log").fetchone()
        except sqlite3.Error as problem:
            raise StoreProblem(f"{self._path} cannot be read: {problem}; restore it, or move it away") from problem
        return int(row[0] or 0)

    def append(self, rows: Sequence[Row]) -> None:
        with self._transaction():
            self._db.executemany(
                "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
                [(row.revision, row.bucket, row.namespace, row.name, row.value) for row in rows],
            )

    def compact(self, upto: int) -> int:
        with self._transaction():
            done = self._db.execute("SELECT max(revision) FROM compacted").fetchone()[0] or 0
            gone = self._db.execute(_REPLACED, (done, upto)).rowcount
            gone += self._db.execute(_DELETIONS, (upto,)).rowcount
            self._db.execute("DELETE FROM compacted")
            self._db.execute("INSERT INTO compacted VALUES (?)", (upto,))
        return gone

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as problem:
            with suppress(sqlite3.Error):  # a disk that cannot write may not be able to roll back either
                self._db.execute("ROLLBACK")
            raise StoreProblem(f"{self._path} cannot be written: {problem}") from problem

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
