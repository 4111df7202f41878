"""The store keeps what it acknowledged, in order, on disk and in memory alike."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from trueup.store.log import MemoryLog, Row, SqliteLog, StoreFull, StoreProblem
from trueup.store.state import Event, Gone, Stale, Store


@pytest.fixture(params=["memory", "sqlite", "slow sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """A store of each kind; one whose disk is taken for slow."""
    if request.param == "slow sqlite":
        monkeypatch.setattr("trueup.store.commits.QUICK", -1)
    made = Store(MemoryLog() if request.param == "memory" else SqliteLog(tmp_path / "db.sqlite"))
    yield made
    await made.close()


def obj(name: str, **data: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


async def test_a_write_is_read_back_with_its_revision(store: Store) -> None:
    """The revision of the write is the object's resource version."""
    bucket = store.bucket("configmaps")

    entry = await store.put(bucket, "a", "one", obj("one"), 0)

    assert bucket.get("a", "one") is entry
    assert entry.obj["metadata"]["resourceVersion"] == str(store.revision)


async def test_writers_of_the_same_version_meet_only_once(store: Store) -> None:
    """Of two writers that expect one version, the second is stale, even while the first is on its way to disk."""
    bucket = store.bucket("configmaps")

    outcomes = await asyncio.gather(
        *(store.put(bucket, "a", "one", obj("one", n=n), 0) for n in range(3)), return_exceptions=True
    )

    assert [isinstance(outcome, Stale) for outcome in outcomes] == [False, True, True]


async def test_events_come_in_order_with_what_they_replaced(store: Store) -> None:
    """A listener hears each change once, with the version before."""
    bucket, heard = store.bucket("configmaps"), list[Event]()
    bucket.listeners.append(heard.append)

    first = await store.put(bucket, "a", "one", obj("one"), 0)
    second = await store.put(bucket, "a", "one", obj("one", n=2), first.revision)
    await store.remove(bucket, "a", "one", second.revision, second.obj)

    assert [(e.type, e.before) for e in heard] == [("ADDED", None), ("MODIFIED", first), ("DELETED", second)]
    assert [e.revision for e in bucket.since(first.revision)] == [second.revision, store.revision]
    assert bucket.get("a", "one") is None


async def test_objects_come_in_the_order_of_namespaces_and_names(store: Store) -> None:
    """Whatever the order in which they were written."""
    bucket = store.bucket("configmaps")
    for space, name in (("b", "x"), ("a", "z"), ("a", "y")):
        await store.put(bucket, space, name, obj(name), 0)

    assert [(space, name) for space, name, _ in bucket.scan()] == [("a", "y"), ("a", "z"), ("b", "x")]
    assert [name for _, name, _ in bucket.scan("a")] == ["y", "z"]


async def test_a_list_goes_on_behind_a_name(store: Store) -> None:
    """In namespace order; names that came and went since the first listing are where they belong."""
    bucket = store.bucket("configmaps")
    for space, name in (("a", "x"), ("a", "z"), ("b", "x")):
        await store.put(bucket, space, name, obj(name), 0)
    assert len(list(bucket.scan())) == 3
    gone = bucket.get("a", "z")
    assert gone is not None

    await store.put(bucket, "a", "y", obj("y"), 0)
    await store.remove(bucket, "a", "z", gone.revision, gone.obj)

    assert [(space, name) for space, name, _ in bucket.scan(after=("a", "x"))] == [("a", "y"), ("b", "x")]
    assert bucket.count("a") == 2


async def test_the_past_can_be_listed(store: Store) -> None:
    """As it was at a revision: created since are left out, deleted and changed since are as they were."""
    bucket = store.bucket("configmaps")
    kept = await store.put(bucket, "a", "kept", obj("kept", n=1), 0)
    lost = await store.put(bucket, "a", "lost", obj("lost"), 0)
    then = store.revision
    await store.put(bucket, "a", "kept", obj("kept", n=2), kept.revision)
    await store.remove(bucket, "a", "lost", lost.revision, lost.obj)
    await store.put(bucket, "a", "new", obj("new"), 0)

    assert [(name, entry) for _, name, entry in bucket.scan_at(then)] == [("kept", kept), ("lost", lost)]
    assert [name for _, name, _ in bucket.scan_at(store.revision)] == ["kept", "new"]


async def test_old_versions_are_kept_as_json_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """They read as before; the present version stays parsed."""
    monkeypatch.setattr("trueup.store.history.FRESH", 1)
    bucket = store.bucket("configmaps")
    entries = [await store.put(bucket, "a", "one", obj("one", n=0), 0)]
    for n in range(1, 4):
        entries.append(await store.put(bucket, "a", "one", obj("one", n=n), entries[-1].revision))

    assert [entry._obj is None for entry in entries] == [True, True, False, False]
    assert [entry.obj["data"]["n"] for entry in entries] == [0, 1, 2, 3]


async def test_events_beyond_the_window_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for them is told so, and those still there come in order."""
    monkeypatch.setattr("trueup.store.history.WINDOW", 3)
    store = Store(MemoryLog())
    bucket = store.bucket("configmaps")
    for n in range(5):
        await store.put(bucket, "a", f"n{n}", obj(f"n{n}"), 0)

    with pytest.raises(Gone):
        bucket.since(1)
    assert [event.name for event in bucket.since(2)] == ["n2", "n3", "n4"]


async def test_large_versions_are_remembered_by_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few they are: what replaced versions hold stays below a bound."""
    monkeypatch.setattr("trueup.store.history.WINDOW_BYTES", 10_000)
    monkeypatch.setattr("trueup.store.history.FRESH_BYTES", 2_000)
    store = Store(MemoryLog())
    bucket = store.bucket("configmaps")
    revision = 0
    for n in range(50):
        revision = (await store.put(bucket, "a", "one", obj("one", n=n, fill="x" * 900), revision)).revision

    events = bucket.history.events
    assert sum(event.size for event in events) in range(8_000, 10_001)
    assert [event.revision for event in bucket.since(bucket.history.forgotten)] == [event.revision for event in events]
    assert sum(event.fresh for event in events) == 2
    with pytest.raises(Gone):
        bucket.since(30)


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    """Deleted objects stay deleted; revisions go on; older events are gone."""
    store = Store(SqliteLog(tmp_path / "db.sqlite"))
    bucket = store.bucket("configmaps")
    one = await store.put(bucket, "a", "one", obj("one"), 0)
    await store.put(bucket, "a", "two", obj("two"), 0)
    await store.remove(bucket, "a", "one", one.revision, one.obj)
    await store.close()

    again = Store(SqliteLog(tmp_path / "db.sqlite"))
    found = again.bucket("configmaps")

    assert [name for _, name, _ in found.scan()] == ["two"]
    assert again.revision == 3
    with pytest.raises(Gone):
        found.since(1)
    await again.close()


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """The error says who holds the file."""
    store = Store(SqliteLog(tmp_path / "db.sqlite"))
    code = f"from pathlib import Path; from trueup.store.log import SqliteLog; SqliteLog(Path({str(tmp_path / 'db.sqlite')!r}))"

    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True)

    assert "in use by another trueup (process " in done.stderr
    await store.close()


async def test_a_slow_disk_does_not_keep_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a commit is held up, what was stored before is read, and the writes that come share the next one."""
    monkeypatch.setattr("trueup.store.commits.QUICK", -1)
    log, held, begun = SqliteLog(tmp_path / "db.sqlite"), threading.Event(), asyncio.Event()
    batches: list[list[str]] = []
    append, loop = log.append, asyncio.get_running_loop()

    def hold(rows: Sequence[Row]) -> None:
        batches.append([row.name for row in rows])
        loop.call_soon_threadsafe(begun.set)
        held.wait()
        append(rows)

    monkeypatch.setattr(log, "append", hold)
    store = Store(log)
    bucket = store.bucket("configmaps")
    writes = [asyncio.create_task(store.put(bucket, "a", "first", obj("first"), 0))]
    await begun.wait()
    writes += [asyncio.create_task(store.put(bucket, "a", name, obj(name), 0)) for name in ("second", "third")]
    await asyncio.sleep(0)  # they have begun
    there = bucket.get("a", "first")
    held.set()
    await asyncio.gather(*writes)
    await store.close()

    assert there is None
    assert batches == [["first"], ["second", "third"]]


async def test_a_bug_below_fails_the_write_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for ever for a commit that fails in an unexpected way; it is logged, and the next one goes on."""
    log = BrokenLog()
    store = Store(log)
    bucket = store.bucket("configmaps")
    with monkeypatch.context() as broken:
        broken.setattr(log, "append", None)
        with pytest.raises(StoreProblem, match="the store failed: TypeError"):
            await store.put(bucket, "a", "one", obj("one"), 0)

    after = await store.put(bucket, "a", "one", obj("one"), 0)

    assert bucket.get("a", "one") is after
    assert [record.message for record in caplog.records if record.exc_info] == ["a commit failed"]


def test_many_rows_count_all_or_not_at_all(tmp_path: Path) -> None:
    """One that is there already takes back those before it, however many statements they took."""
    log = SqliteLog(tmp_path / "db.sqlite")
    rows = [Row(n, "configmaps", "a", f"n{n}", b"{}") for n in range(1, 201)]
    log.append(rows[150:151])

    with pytest.raises(StoreProblem, match="UNIQUE constraint failed"):
        log.append(rows)
    log.append(rows[:150])

    assert [row.revision for row in log.load()] == list(range(1, 152))
    log.close()


class BrokenLog(MemoryLog):
    """A log on a disk that is full."""

    durable = True
    full = False

    def append(self, rows: Sequence[Row]) -> None:
        if self.full:
            raise StoreProblem("disk full")


async def test_a_failed_commit_takes_back_what_waited_for_it() -> None:
    """The writer gets the error, readers see the old state, and the next write starts from it."""
    log = BrokenLog()
    store = Store(log)
    bucket = store.bucket("configmaps")
    first = await store.put(bucket, "a", "one", obj("one"), 0)
    log.full = True

    with pytest.raises(StoreProblem, match="disk full"):
        await store.put(bucket, "a", "one", obj("one", n=2), first.revision)
    log.full = False
    after = await store.put(bucket, "a", "one", obj("one", n=3), first.revision)

    assert bucket.get("a", "one") is after


async def test_compaction_keeps_the_present(tmp_path: Path) -> None:
    """Replaced rows go, the newest of everything stays."""
    log = SqliteLog(tmp_path / "db.sqlite")
    store = Store(log)
    bucket = store.bucket("configmaps")
    entry = await store.put(bucket, "a", "one", obj("one"), 0)
    for n in range(5):
        entry = await store.put(bucket, "a", "one", obj("one", n=n), entry.revision)

    gone = log.compact()

    assert gone == 5
    assert [row.revision for row in log.load()] == [6]
    await store.close()


async def test_what_was_deleted_does_not_come_back_by_compaction(tmp_path: Path) -> None:
    """A deletion goes from the log only together with everything that it deleted, however old."""
    path = tmp_path / "db.sqlite"
    log = SqliteLog(path)
    store = Store(log)
    bucket = store.bucket("configmaps")
    one = await store.put(bucket, "a", "one", obj("one"), 0)
    await store.put(bucket, "a", "two", obj("two"), 0)
    log.compact()
    await store.remove(bucket, "a", "one", one.revision, one.obj)
    await store.put(bucket, "a", "three", obj("three"), 0)

    log.compact()
    await store.close()
    again = SqliteLog(path)

    assert [row.name for row in again.load()] == ["two", "three"]
    assert again.last_revision() == 4
    again.close()


async def test_the_log_is_compacted_as_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object written over and over leaves a few rows, not one per write."""
    monkeypatch.setattr("trueup.store.log.COMPACT_FROM", 10)
    path = tmp_path / "db.sqlite"
    store = Store(SqliteLog(path))
    bucket = store.bucket("configmaps")
    revision = 0
    for n in range(55):
        revision = (await store.put(bucket, "a", "one", obj("one", n=n), revision)).revision
    await store.close()

    with sqlite3.connect(path) as db:
        (rows,) = db.execute("SELECT count(*) FROM log").fetchone()

    assert rows <= 10


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """The error says which file and what can be done."""
    path = tmp_path / "db.sqlite"
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreProblem, match=r"db\.sqlite cannot be opened: .*move it away"):
        SqliteLog(path)


async def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    """The error names the file, the object and its revision, and says what can be done."""
    path = tmp_path / "db.sqlite"
    store = Store(SqliteLog(path))
    await store.put(store.bucket("configmaps"), "a", "one", obj("one", text="as it was written"), 0)
    await store.close()
    path.write_bytes(path.read_bytes().replace(b"as it was written", b"as it WAS written"))
    log = SqliteLog(path)

    with pytest.raises(StoreProblem, match=r"db\.sqlite is damaged: configmaps a one is .* revision 1; .*move it away"):
        Store(log)
    log.close()


async def test_a_file_that_does_not_hold_together_is_noticed(tmp_path: Path) -> None:
    """A page that is another file's is found when the file is opened, before anything is served from it."""
    path = tmp_path / "db.sqlite"
    store = Store(SqliteLog(path))
    for n in range(200):
        await store.put(store.bucket("configmaps"), "a", f"n{n}", obj(f"n{n}", text="x" * 200), 0)
    await store.close()
    pages = bytearray(path.read_bytes())
    pages[5 * 4096 : 7 * 4096] = bytes(2 * 4096)
    path.write_bytes(pages)

    with pytest.raises(StoreProblem, match=r"db\.sqlite is damaged: .*; restore it, or move it away"):
        SqliteLog(path)


async def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    """Files of an earlier version go on, and what is written from then on is checked."""
    path = tmp_path / "db.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE log (revision INTEGER PRIMARY KEY, bucket TEXT NOT NULL, namespace TEXT NOT NULL,"
                   " name TEXT NOT NULL, value BLOB) STRICT")  # fmt: skip
        db.execute("CREATE INDEX log_by_key ON log (bucket, namespace, name, revision)")
        db.execute("INSERT INTO log VALUES (7, 'configmaps', 'a', 'old', ?)", (b'{"metadata":{"name":"old"}}',))
    store = Store(SqliteLog(path))
    await store.put(store.bucket("configmaps"), "a", "new", obj("new"), 0)
    await store.close()

    again = Store(SqliteLog(path))

    assert [name for _, name, _ in again.bucket("configmaps").scan()] == ["new", "old"]
    assert again.revision == 8
    await again.close()


async def test_a_disk_without_room_refuses_writes_until_there_is_some(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told apart from other trouble and logged once; what had been acknowledged is there after a restart."""
    path = tmp_path / "db.sqlite"
    log = SqliteLog(path)
    store = Store(log)
    bucket = store.bucket("configmaps")
    log._db.execute("PRAGMA max_page_count=20")
    there: list[str] = []

    async def fill() -> None:
        for n in range(len(there), 100):
            await store.put(bucket, "a", f"n{n}", obj(f"n{n}", text="x" * 2000), 0)
            there.append(f"n{n}")

    with pytest.raises(StoreFull, match=r"db\.sqlite cannot be written: .* full; make room on its disk"):
        await fill()
    with pytest.raises(StoreFull):
        await fill()
    log._db.execute("PRAGMA max_page_count=10000")
    await store.put(bucket, "a", "after", obj("after"), 0)
    await store.close()

    again = Store(SqliteLog(path))

    assert sorted(name for _, name, _ in again.bucket("configmaps").scan()) == sorted([*there, "after"])
    assert 0 < len(there) < 100
    assert [record.levelname for record in caplog.records if record.name == "trueup.store"] == ["ERROR", "WARNING"]
    await again.close()


async def test_the_file_shrinks_after_much_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piece by piece, with the compactions that follow."""
    monkeypatch.setattr("trueup.store.log._SHRINK_FROM", 10)
    path = tmp_path / "db.sqlite"
    log = SqliteLog(path)
    rows = [Row(n, "configmaps", "a", f"n{n}", b"x" * 4000) for n in range(1, 301)]
    log.append(rows)
    log.append([row._replace(revision=300 + row.revision, value=None, replaces=row.revision) for row in rows])
    log.compact()
    log.compact()
    log.close()

    assert path.stat().st_size < 300 * 4000 / 10


WRITER = """
import asyncio, sys
from pathlib import Path
from trueup.store.log import SqliteLog
from trueup.store.state import Store

async def write(store, lane):
    bucket = store.bucket("configmaps")
    for n in range(10_000):
        entry = await store.put(bucket, "a", f"{lane}-{n}", {"metadata": {"name": "x"}}, 0)
        print(f"{lane}-{n}", flush=True)

async def main():
    store = Store(SqliteLog(Path(sys.argv[1])))
    await asyncio.gather(*(write(store, lane) for lane in range(8)))

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A writer is killed in full flight: whatever it had printed is in the file."""
    path = tmp_path / "db.sqlite"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [next(writer.stdout).strip() for _ in range(500)]
        writer.kill()
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    log = SqliteLog(path)

    there = {row.name for row in log.load()}

    assert set(acknowledged) - there == set()
    log.close()
