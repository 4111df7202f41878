"""Archives on disk by their digest, and what a name stood for when it was last asked. Called by `charts` from threads.

Files are written beside their place and moved there, so that nobody sees half of one; each is checked against its name
when it is read, so that a damaged one is fetched again. Bounded: the longest unused archives go.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

_MOST_BYTES = 1024 * 1024 * 1024
_EVERY = 32
"""Archives between two looks at how much there is."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a version of a chart was found to be. ``origin``: the digest of a registry's manifest."""

    digest: str
    version: str
    chart: bool
    author: str = ""
    message: str = ""
    date: str = ""
    origin: str = ""


class Kept:
    """One folder; several processes may share it."""

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._archives, self._records = folder / "archives", folder / "versions"
        self._most, self._written = most_bytes, 0
        self._known: dict[tuple[str, ...], Record] = {}

    def record(self, key: tuple[str, ...]) -> Record | None:
        """What is known of a version; None if nothing is."""
        known = self._known.get(key)
        if known is None:
            with contextlib.suppress(OSError, ValueError, TypeError):  # no file yet, or one of another making
                known = self._known[key] = Record(**orjson.loads(self._file(key).read_bytes()))
        return known

    def remember(self, key: tuple[str, ...], record: Record) -> Record:
        """Know it from now on."""
        self._known[key] = record
        _write(self._file(key), orjson.dumps(asdict(record)))
        return record

    def put(self, data: bytes) -> str:
        """Keep an archive; its SHA-256."""
        digest = hashlib.sha256(data).hexdigest()
        _write(self._archives / digest, data)
        self._written += 1
        if self._written % _EVERY == 1:
            self._tidy()
        return digest

    def archive(self, digest: str) -> bytes | None:
        """An archive's bytes; None if it is not there, or not what it was."""
        path = self._archives / digest
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def _file(self, key: tuple[str, ...]) -> Path:
        return self._records / f"{hashlib.sha256(orjson.dumps(key)).hexdigest()}.json"

    def _tidy(self) -> None:
        found = []
        with contextlib.suppress(OSError):  # others tidy the same folder
            found = [(entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(self._archives)]
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._most:
                return
            Path(path).unlink(missing_ok=True)
            total -= size


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
