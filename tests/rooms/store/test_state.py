"""The store keeps what it acknowledged, in order, on disk and in memory alike."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from trueup.store.log import MemoryLog, Row, SqliteLog, StoreProblem
from trueup.store.state import Event, Gone, Stale, Store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store of each kind."""
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


class BrokenLog(MemoryLog):
    """A log on a disk that is full."""

    durable = True
    full = False

    def append(self, rows: list[Row]) -> None:  # type: ignore[override]
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

    gone = log.compact(store.revision)

    assert gone == 5
    assert [row.revision for row in log.load()] == [6]
    await store.close()


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
