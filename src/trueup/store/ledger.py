"""The ledger: what was applied, when, from which commit and by whom. Append-only; implements ``ports.Ledger``.

Written by ``delivery``, read by CLI and web. ``SqliteLedger`` keeps a file of its own in the state folder, so that throwing away
the API's objects does not throw away history; ``MemoryLedger`` serves ``--memory`` and tests. Both pass one suite.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from trueup.ports import LedgerEntry
from trueup.store.files import connect
from trueup.store.log import StoreFull, StoreProblem

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  unit TEXT NOT NULL,
  time TEXT NOT NULL,
  revision TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  outcome TEXT NOT NULL,
  message TEXT NOT NULL,
  changes BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS ledger_unit ON ledger (unit, id);
CREATE TRIGGER IF NOT EXISTS ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""
_INSERT = "INSERT INTO ledger (unit, time, revision, actor, action, outcome, message, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = (
    "SELECT unit, time, revision, actor, action, outcome, message, changes FROM ledger"
    " WHERE unit = ? ORDER BY id DESC LIMIT ?"
)


class MemoryLedger:
    """A ledger that ends with the process."""

    def __init__(self) -> None:
        self._units: dict[str, list[LedgerEntry]] = defaultdict(list)
        self._count = 0

    async def append(self, entry: LedgerEntry) -> int:
        """Add an entry; its number, counted from 1 over all units."""
        self._units[entry.unit].append(entry)
        self._count += 1
        return self._count

    async def of(self, unit: str, *, limit: int = 50) -> Sequence[LedgerEntry]:
        """The last entries of a unit, newest last."""
        return self._units.get(unit, [])[-limit:] if limit > 0 else []

    async def close(self) -> None:
        """Nothing is held."""


class SqliteLedger:
    """A ledger in one SQLite file. Appends that come together are committed together, in a thread, and survive ``kill -9``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._said("opened"):
            self._connection = connect(path)
            self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)
        self._pending: list[tuple[LedgerEntry, asyncio.Future[int]]] = []
        self._lock = asyncio.Lock()

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Failures of the file say which file, and what to do."""
        try:
            yield
        except sqlite3.Error as problem:
            text = f"{self._path} cannot be {what}: {problem}"
            if getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                raise StoreFull(f"{text}; make room on its disk") from problem
            advice = "; restore it, or move it away to start a new history" if what != "written" else ""
            raise StoreProblem(text + advice) from problem

    async def append(self, entry: LedgerEntry) -> int:
        """Add an entry and wait until it is stored; its number. Raises ``StoreProblem``."""
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pending.append((entry, stored))
        async with self._lock:
            if self._pending:
                batch, self._pending = self._pending, []
                await self._commit(batch)
        return await stored

    async def _commit(self, batch: list[tuple[LedgerEntry, asyncio.Future[int]]]) -> None:
        """Store a batch; whoever waits for one of its entries hears of a failure, too."""
        try:
            numbers = await asyncio.to_thread(self._write, [entry for entry, _ in batch])
        except BaseException as error:  # the end of the program, too: nobody is left waiting
            for _, stored in batch:
                if not stored.done():
                    stored.set_exception(
                        error if isinstance(error, Exception) else RuntimeError("interrupted while writing the ledger")
                    )
            batch[0][1].exception()  # the one who writes raises it, or is being cancelled
            raise
        for (_, stored), number in zip(batch, numbers, strict=True):
            if not stored.done():
                stored.set_result(number)

    def _write(self, entries: list[LedgerEntry]) -> list[int]:
        with self._said("written"):
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                numbers = []
                for entry in entries:
                    cursor.execute(_INSERT, _row(entry))
                    numbers.append(int(cursor.lastrowid or 0))
                cursor.execute("COMMIT")
            except BaseException:  # no half of a batch stays, whatever ends it
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    cursor.execute("ROLLBACK")
                raise
            return numbers

    async def of(self, unit: str, *, limit: int = 50) -> Sequence[LedgerEntry]:
        """The last entries of a unit, newest last."""
        async with self._lock:
            rows = await asyncio.to_thread(self._read, unit, max(limit, 0))
        return [LedgerEntry(*row[:7], changes=orjson.loads(row[7])) for row in reversed(rows)]

    def _read(self, unit: str, limit: int) -> list[tuple[str, str, str, str, str, str, str, bytes]]:
        with self._said("read"):
            return self._connection.execute(_SELECT, (unit, limit)).fetchall()

    async def close(self) -> None:
        """Let go of the file; what was appended is in it."""
        async with self._lock:
            self._connection.close()


def _row(entry: LedgerEntry) -> tuple[str, str, str, str, str, str, str, bytes]:
    return (
        entry.unit,
        entry.time,
        entry.revision,
        entry.actor,
        entry.action,
        entry.outcome,
        entry.message,
        orjson.dumps(list(entry.changes)),
    )
