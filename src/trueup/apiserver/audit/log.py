"""Where audit events go: a file that is turned over when it is large, or standard output. A thread of its own writes, so
that no request waits for the disk; events leave in the order in which they came.

Called by `recorder`. A disk that is full is told once and stops no request. Source: kube-apiserver's ``--audit-log-*``
options, which name and turn the files over in this way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import BinaryIO

_log = logging.getLogger("trueup.apiserver.audit")
_MOST = 10_000
"""Events that may wait to be written (kube-apiserver's buffer); beyond, the disk is too slow and they are lost."""
_BATCH = 500
MEGABYTE = 1024 * 1024
_STAMP = "%Y-%m-%dT%H-%M-%S.%f"

Line = Callable[[], bytes]
"""Makes an event's text, in the thread that writes."""


class AuditLog:
    """One file. ``-`` is standard output. Raises ``OSError`` when it cannot be opened to begin with.

    ``max_age``: days that files set aside are kept; ``max_backups``: how many; 0 is without end.
    """

    def __init__(
        self,
        path: str,
        now: Callable[[], float],
        *,
        max_age: int = 0,
        max_backups: int = 0,
        max_size: int = 100 * MEGABYTE,
    ) -> None:
        self._path = None if path == "-" else Path(path)
        self._age, self._backups, self._limit = max_age, max_backups, max_size
        self._now = now
        self._file: BinaryIO | None = None
        self._size = 0
        self.lost = 0
        self._failing = False
        self._queue: SimpleQueue[Line | None] = SimpleQueue()
        self._open()
        self._thread = threading.Thread(target=self._write, name="audit log", daemon=True)
        self._thread.start()

    def put(self, line: Line) -> None:
        """Let an event be written soon."""
        if self._queue.qsize() >= _MOST:
            self._failed("the disk is too slow for it", 1)
            return
        self._queue.put(line)

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()
        if self._file is not None and self._path is not None:
            self._file.close()

    def _write(self) -> None:
        going = True
        while going:
            batch = [self._queue.get()]
            try:
                while len(batch) < _BATCH and batch[-1] is not None:
                    batch.append(self._queue.get_nowait())
            except Empty:
                pass
            going = batch[-1] is not None
            self._append([line for line in batch if line is not None])

    def _append(self, lines: list[Line]) -> None:
        texts = [text for line in lines if (text := _made(line))]
        try:
            for text in texts:
                self._turn(len(text))
                file = self._file or self._open()
                file.write(text)
                self._size += len(text)
            if self._file is not None:
                self._file.flush()
        except OSError as problem:
            self._give_up()
            self._failed(str(problem), len(texts))
            return
        if self._failing and texts:
            _log.warning("the audit log is written again; %d events were lost", self.lost)
            self._failing, self.lost = False, 0

    def _failed(self, why: str, events: int) -> None:
        self.lost += events
        if not self._failing:
            self._failing = True
            _log.error("the audit log %s is not written: %s; requests go on, events are lost", self._path or "-", why)

    def _give_up(self) -> None:
        """Leave the file: what it still holds back may not come out later, in the middle of other lines."""
        file, self._file = self._file, None
        if file is not None and self._path is not None:
            with contextlib.suppress(OSError):  # the same full disk; already told
                file.close()

    def _open(self) -> BinaryIO:
        if self._path is None:
            self._file = sys.stdout.buffer
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Who may read it may read what the policy lets into it.
            self._file = os.fdopen(os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600), "ab")
            self._size = self._file.tell()
        return self._file

    def _turn(self, more: int) -> None:
        """Set the file aside when it would become too large, and forget old ones."""
        if self._path is None or self._file is None or not self._limit or not self._size:
            return
        if self._size + more <= self._limit:
            return
        self._file.close()
        self._file = None
        stamp = datetime.fromtimestamp(self._now(), UTC).strftime(_STAMP)[:-3]
        self._path.rename(self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}"))
        self._open()
        self._forget(self._path)

    def _forget(self, path: Path) -> None:
        kept: list[tuple[datetime, Path]] = []
        for other in path.parent.glob(f"{path.stem}-*{path.suffix}"):
            try:
                stamp = other.name.removeprefix(f"{path.stem}-").removesuffix(path.suffix)
                kept.append((datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC), other))
            except ValueError:  # somebody else's file
                continue
        kept.sort(reverse=True)
        oldest = datetime.fromtimestamp(self._now(), UTC) - timedelta(days=self._age)
        for place, (moment, other) in enumerate(kept):
            if (self._backups and place >= self._backups) or (self._age and moment < oldest):
                other.unlink(missing_ok=True)


def _made(line: Line) -> bytes:
    """A line; an event that cannot be written as JSON is told in the program's own log and costs no other."""
    try:
        return line()
    except Exception:  # one event that cannot be told must not stop the log
        _log.exception("an audit event could not be written")
        return b""
