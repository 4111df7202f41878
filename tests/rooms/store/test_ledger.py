"""One suite for both ledgers, and what only the stored one promises."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from trueup.ports import LedgerEntry
from trueup.store.ledger import MemoryLedger, SqliteLedger
from trueup.store.log import StoreFull, StoreProblem


def entry(unit: str = "Application/argocd/web", revision: str = "abc") -> LedgerEntry:
    return LedgerEntry(
        unit,
        "2026-01-01T00:00:00Z",
        revision,
        "jane",
        "sync",
        "Succeeded",
        "all run",
        [{"object": "ConfigMap a", "message": "created"}],
    )


@pytest.fixture(params=["memory", "sqlite"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryLedger | SqliteLedger]:
    made = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "ledger.db")
    yield made
    await made.close()


async def test_reads_back_what_was_appended(ledger: MemoryLedger | SqliteLedger) -> None:
    """An entry comes back as it was."""
    assert await ledger.append(entry()) == 1
    assert list(await ledger.of("Application/argocd/web")) == [entry()]


async def test_units_are_apart(ledger: MemoryLedger | SqliteLedger) -> None:
    """A unit sees its own entries alone."""
    await ledger.append(entry())
    assert await ledger.append(entry("Kustomization/flux-system/apps")) == 2
    assert len(await ledger.of("Kustomization/flux-system/apps")) == 1
    assert list(await ledger.of("Application/argocd/other")) == []


async def test_the_last_ones_newest_last(ledger: MemoryLedger | SqliteLedger) -> None:
    """A limit keeps the newest; they come in the order in which they happened."""
    for number in range(5):
        await ledger.append(entry(revision=str(number)))
    assert [e.revision for e in await ledger.of("Application/argocd/web", limit=2)] == ["3", "4"]
    assert list(await ledger.of("Application/argocd/web", limit=0)) == []


async def test_many_at_once(ledger: MemoryLedger | SqliteLedger) -> None:
    """Appends that come together all get their own number."""
    numbers = await asyncio.gather(*(ledger.append(entry(revision=str(n))) for n in range(200)))
    assert sorted(numbers) == list(range(1, 201))
    assert len(await ledger.of("Application/argocd/web", limit=500)) == 200


async def test_survives_a_restart(tmp_path: Path) -> None:
    """What was appended is there when the file is opened again."""
    first = SqliteLedger(tmp_path / "ledger.db")
    await first.append(entry())
    await first.close()
    second = SqliteLedger(tmp_path / "ledger.db")
    assert list(await second.of("Application/argocd/web")) == [entry()]
    await second.close()


async def test_is_append_only(tmp_path: Path) -> None:
    """Nobody changes or deletes an entry, not even with the file in hand."""
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.append(entry())
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        for statement in ("UPDATE ledger SET actor = 'x'", "DELETE FROM ledger"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                other.execute(statement)
    await ledger.close()


async def test_a_failed_write_is_heard(tmp_path: Path) -> None:
    """An entry that cannot be stored is not acknowledged, and the next one is stored again."""
    ledger = SqliteLedger(tmp_path / "ledger.db")
    broken = LedgerEntry("u", "t", "r", "a", "sync", "Succeeded", "m", [{"x": object()}])  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        await ledger.append(broken)
    assert await ledger.append(entry()) == 1
    await ledger.close()


async def test_a_full_disk_is_named_and_passes(tmp_path: Path) -> None:
    """The entry is refused, and taken once there is room."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    ledger._connection.execute("PRAGMA max_page_count=6")
    large = replace(entry(), message="x" * 20_000)

    with pytest.raises(StoreFull, match=r"ledger\.sqlite cannot be written: .*; make room on its disk"):
        await ledger.append(large)
    ledger._connection.execute("PRAGMA max_page_count=1000")

    assert await ledger.append(large) == 1
    await ledger.close()


def test_a_broken_ledger_is_named(tmp_path: Path) -> None:
    """With what can be done."""
    (tmp_path / "ledger.sqlite").write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreProblem, match=r"ledger\.sqlite cannot be opened: .*move it away to start a new history"):
        SqliteLedger(tmp_path / "ledger.sqlite")
