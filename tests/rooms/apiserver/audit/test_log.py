"""The file that audit events go to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from trueup.apiserver.audit.log import AuditLog

NOW = 1_800_000_000.0


def said(text: str) -> Callable[[], bytes]:
    return lambda: text.encode() + b"\n"


def test_events_are_written_in_their_order(tmp_path: Path) -> None:
    """All of them, before the log is closed; only its owner may read them."""
    path = tmp_path / "logs" / "audit.log"
    log = AuditLog(str(path), lambda: NOW)
    for number in range(2_000):
        log.put(said(str(number)))
    log.close()
    assert list(map(str, range(2_000))) == path.read_text().splitlines()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_large_is_set_aside(tmp_path: Path) -> None:
    """Under its time; as many are kept as are asked for, and other files stay."""
    (tmp_path / "audit-notes.log").write_text("mine")
    for number in range(5):
        log = AuditLog(str(tmp_path / "audit.log"), lambda now=NOW + number: now, max_backups=2, max_size=10)  # type: ignore[misc]
        log.put(said(f"event {number}"))
        log.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {
        "audit-notes.log": "mine",
        "audit.log": "event 4\n",
        "audit-2027-01-15T08-00-04.000.log": "event 3\n",
        "audit-2027-01-15T08-00-03.000.log": "event 2\n",
    }


def test_a_full_disk_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for it; when there is room again, how much was lost is told."""
    path = tmp_path / "audit.log"
    path.symlink_to("/dev/full")
    log = AuditLog(str(path), lambda: NOW)
    with caplog.at_level(logging.WARNING, "trueup.apiserver.audit"):
        log.put(said("lost"))
        _until(lambda: bool(caplog.records))
        log.put(said("lost too"))
        _until(lambda: log.lost == 2)
        path.unlink()
        log.put(said("room again"))
        log.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "2 events were lost" in caplog.records[-1].message
    assert path.read_text() == "room again\n"


def _until(holds: Callable[[], bool]) -> None:
    """Wait for the thread that writes; fails the test when it never does."""
    passed = threading.Event()
    for _ in range(10_000):
        if holds():
            return
        passed.wait(0.001)
    raise AssertionError("it never came to be")
