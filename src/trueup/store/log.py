"""The durable half of the store: an append-only log of changes, a row id per resource version.

Called by `store.state` alone. Rows go in, in order; they are on disk before ``append`` returns. `MemoryLog` and
`SqliteLog` pass one suite. Source of the shape: kine's single table (k3s), with the row id as the revision.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import orjson

from trueup.store.files import connect


class Row(NamedTuple):
    """One change: ``value`` is the object's JSON, None for a deletion."""

    revision: int
    bucket: str
    namespace: str
    name: str
    value: bytes | None
    replaces: int = 0
    """The revision of the row before it of the same object; 0: there is none."""


class StoreProblem(Exception):
    """The store cannot do its work (disk full, file locked, file broken); says which file and what to do."""


class StoreFull(StoreProblem):
    """There is no room on the disk: nothing was written, and will be again once there is room."""


class Log(Protocol):
    """Keeps rows."""

    durable: bool

    @property
    def due(self) -> bool:
        """Whether there is enough to forget."""
        ...

    def load(self) -> Iterator[Row]:
        """The newest row of everything that exists, in the order of revisions."""
        ...

    def last_revision(self) -> int:
        """The newest revision ever given."""
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """All of these rows or none. Raises ``StoreProblem``."""
        ...

    def compact(self) -> int:
        """Forget rows that others have replaced, and deletions; how many rows went."""
        ...

    def close(self) -> None: ...


class MemoryLog:
    """Keeps nothing: the present in memory is all there is."""

    durable = False
    due = False

    def load(self) -> Iterator[Row]:
        return iter(())

    def last_revision(self) -> int:
        return 0

    def append(self, rows: Sequence[Row]) -> None:
        return None

    def compact(self) -> int:
        return 0

    def close(self) -> None:
        return None


_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
  revision INTEGER PRIMARY KEY,
  bucket TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB,
  checksum INTEGER
) STRICT;
DROP INDEX IF EXISTS log_by_key;
DROP INDEX IF EXISTS log_gone;
DROP TABLE IF EXISTS compacted;
"""
"""What is dropped is in files of an earlier version."""

_AT_ONCE = 64
"""Rows that one statement stores; each statement costs, and has to wait for its turn among Python's threads."""
COMPACT_FROM = 250
"""Rows to be forgotten at once: that takes some milliseconds, which commits wait for."""
_CHECKPOINT = 200
"""Pages that go from the write-ahead log to their places at once: in two milliseconds; the usual thousand take twenty."""

_SHRINK_FROM, _SHRINK_BY = 8_192, 2_048
"""Pages (of 4 kB) that may lie free before the file is made shorter, and how many go at once: moving others costs time."""


class SqliteLog:
    """One SQLite file, written by one thread at a time, synchronous to disk, read whole and checked when opened."""

    durable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = _hold(path.with_suffix(".lock"))
        self._useless: list[int] = []
        """Revisions of rows that may go: those that were replaced, and deletions behind what they deleted."""
        self._enough = COMPACT_FROM
        try:
            self._db = self._open()
        except sqlite3.Error as problem:
            self._lock.close()
            raise self._problem("opened", problem, "restore it, or move it away to start empty") from problem
        except StoreProblem:
            self._lock.close()
            raise

    def _open(self) -> sqlite3.Connection:
        db = connect(self._path)
        try:
            if not self._path.stat().st_size:  # to a file that is there it would write, for which there may be no room
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT}")
            db.execute(f"PRAGMA journal_size_limit={64 << 20}")
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreProblem(
                    f"{self._path} is damaged: {found.splitlines()[-1]}; restore it, or move it away to start empty"
                )
            db.executescript(_SCHEMA)
            if "checksum" not in {row[1] for row in db.execute("PRAGMA table_info(log)")}:  # a file of before there was
                db.execute("ALTER TABLE log ADD COLUMN checksum INTEGER")
        except BaseException:  # whatever it was, the file must not stay open
            db.close()
            raise
        return db

    def load(self) -> Iterator[Row]:
        newest: dict[tuple[str, str, str], tuple[Row, int | None]] = {}
        useless = []
        query = "SELECT revision, bucket, namespace, name, value, checksum FROM log ORDER BY revision"
        try:
            for *fields, checksum in self._db.execute(query):
                row = Row(*fields)
                key = (row.bucket, row.namespace, row.name)
                replaced = newest.pop(key, None)
                if replaced is not None:
                    useless.append(replaced[0].revision)
                newest[key] = row, checksum
        except sqlite3.Error as problem:
            raise self._problem("read", problem, "restore it, or move it away to start empty") from problem
        self._useless = sorted([*useless, *(row.revision for row, _ in newest.values() if row.value is None)])
        for row, checksum in newest.values():
            if row.value is None:
                continue
            if checksum is not None and checksum != _checksum(row):
                what = " ".join(filter(None, (row.bucket, row.namespace, row.name)))
                raise StoreProblem(
                    f"{self._path} is damaged: {what} is not as it was written at revision {row.revision};"
                    " restore it, or move it away to start empty"
                )
            yield row

    def last_revision(self) -> int:
        try:
            row = self._db.execute("SELECT max(revision) FROM log").fetchone()
        except sqlite3.Error as problem:
            raise self._problem("read", problem, "restore it, or move it away to start empty") from problem
        return int(row[0] or 0)

    def append(self, rows: Sequence[Row]) -> None:
        with self._said(), nullcontext() if len(rows) <= _AT_ONCE else self._transaction():
            for start in range(0, len(rows), _AT_ONCE):
                piece = rows[start : start + _AT_ONCE]
                self._db.execute(_insert(len(piece)), [each for row in piece for each in (*row[:5], _checksum(row))])
        for row in rows:
            if row.replaces:
                self._useless.append(row.replaces)
            if row.value is None:
                self._useless.append(row.revision)

    @property
    def due(self) -> bool:
        return len(self._useless) >= self._enough

    def compact(self) -> int:
        self._enough = len(self._useless) + COMPACT_FROM  # should it fail, it is not tried again at once
        newest = self.last_revision()  # stays whatever it is: revisions count on from it
        going = orjson.dumps([revision for revision in self._useless if revision != newest]).decode()
        with self._said():
            query = "DELETE FROM log WHERE revision IN (SELECT value FROM json_each(?))"
            gone = self._db.execute(query, (going,)).rowcount
        self._useless = [newest] if newest in self._useless[-1:] else []
        self._enough = COMPACT_FROM
        self._shrink()
        return gone

    def _shrink(self) -> None:
        """Give back to the disk what lies free, a piece at a time, where it is more than what is used."""
        with self._said():
            free, pages = (self._db.execute(f"PRAGMA {n}").fetchone()[0] for n in ("freelist_count", "page_count"))
            if free > max(_SHRINK_FROM, pages // 2):  # ``execute`` does the first step alone
                self._db.executescript(f"PRAGMA incremental_vacuum({_SHRINK_BY})")

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Failures say which file."""
        try:
            yield
        except sqlite3.Error as problem:
            raise self._problem("written", problem) from problem

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Several statements, of which all count or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:  # no half of a batch stays, whatever ends it
            with suppress(sqlite3.Error):  # a full disk has rolled it back already, or cannot
                self._db.execute("ROLLBACK")
            raise

    def _problem(self, what: str, problem: sqlite3.Error, advice: str = "") -> StoreProblem:
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF  # the primary code, without its details
        full = code == sqlite3.SQLITE_FULL
        advice = "make room on its disk" if full else advice
        text = f"{self._path} cannot be {what}: {problem}" + (f"; {advice}" if advice else "")
        return StoreFull(text) if full else StoreProblem(text)

    def close(self) -> None:
        self._db.close()
        self._lock.close()


@cache
def _insert(count: int) -> str:
    rows = ", ".join(["(?, ?, ?, ?, ?, ?)"] * count)
    return f"INSERT INTO log VALUES {rows}"  # noqa: S608


def _checksum(row: Row) -> int:
    """Of the key and the value: SQLite itself does not notice a byte that changed on the disk."""
    key = f"{row.revision} {row.bucket} {row.namespace} {row.name}".encode()
    return zlib.crc32(row.value or b"", zlib.crc32(key))


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
