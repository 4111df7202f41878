"""Renders on disk, for other replicas and for the next start: who finds one that still holds does not render.

Called by `render` from its threads. A file for each question holds the renders that answer it, with what each depends on;
files are written beside their place and moved there, so that nobody reads half of one. Who renders holds the question's
lock meanwhile: two who ask the same at one time render once, wherever they are. What came from a Secret, or is one, is
never written. Bounded: the longest unused files go.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import orjson

import trueup
from trueup.ports import Origin
from trueup.render.cache import Kept
from trueup.render.outside import LIVE

_MOST_BYTES = 1024 * 1024 * 1024
_EVERY = 64
"""Files that are written between two looks at how much there is."""
_ENGINES = ("trueup", "helm-python-sdk", "gojsonnet")
_ROOMS = ("kube", "kustomize", "merge", "render")
"""What makes renders of files: another making of it may make others."""


class Shelf:
    """One folder; several processes may share it, on one machine or on a volume that has file locks."""

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._most, self._written = folder, most_bytes, 0
        self._making = _making()

    @contextlib.contextmanager
    def held(self, key: bytes) -> Iterator[None]:
        """Nobody else renders an answer to this question meanwhile."""
        name = hashlib.sha256(self._making + key).hexdigest()[:2]
        with (self._folder / f"{name}.lock").open("ab") as lock:  # few files; strangers seldom meet at one
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def find(self, key: bytes) -> list[Kept]:
        """The answers that are known to a question, the latest first."""
        path = self._path(key)
        try:
            found = [_read(one) for one in orjson.loads(path.read_bytes())]
        except (OSError, ValueError, TypeError, KeyError):  # none yet, or one that somebody else spoiled
            return []
        with contextlib.suppress(OSError):  # somebody tidied it away
            os.utime(path)
        return found

    def put(self, key: bytes, kept: Sequence[Kept]) -> None:
        """Keep the answers to a question in place of those that were there."""
        fit = [_written(one) for one in kept if _is_open(one)]
        if not fit:
            return
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:  # its owner alone may read it
            file.write(orjson.dumps(fit))
        os.replace(file.name, self._path(key))
        self._written += 1
        if self._written % _EVERY == 0:
            self._tidy()

    def _path(self, key: bytes) -> Path:
        return self._folder / f"{hashlib.sha256(self._making + key).hexdigest()}.json"

    def _tidy(self) -> None:
        files = []
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):  # another replica tidies, too
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._most:
                return
            path.unlink(missing_ok=True)
            total -= size


def _is_open(kept: Kept) -> bool:
    """Whether others may see it: nothing in it is a Secret, was looked up in a cluster, or is a passing mistake."""
    if kept.problem is not None or any(question == LIVE for _, question, _ in kept.notes):
        return False
    return not (b'"Secret"' in kept.body and any(one.get("kind") == "Secret" for one in orjson.loads(kept.body)))


def _written(kept: Kept) -> dict[str, object]:
    return {
        "body": kept.body.decode(),
        "origins": [(one.path, one.line, one.tool) for one in kept.origins],
        "looked": kept.looked,
        "notes": [(*look, said) for look, said in kept.notes.items()],
        "live": kept.live,
    }


def _read(value: dict[str, object]) -> Kept:
    """One of its trees is not known: whoever asks looks at what it depends on."""
    files, warnings, absent, listed = value["looked"]  # type: ignore[misc]  # as it was written
    return Kept(
        str(value["body"]).encode(),
        tuple(Origin(*one) for one in value["origins"]),  # type: ignore[attr-defined]
        (files, tuple(warnings), tuple(absent), tuple(listed)),  # type: ignore[has-type]
        {(name, question, path): said for name, question, path, said in value["notes"]},  # type: ignore[attr-defined]
        {},
        live=bool(value["live"]),
    )


def _making() -> bytes:
    """Which versions render here, and when their files were last changed: a checkout has one version for long."""
    said = [f"{name} {metadata.version(name)}" for name in _ENGINES if _is_installed(name)]
    home = Path(trueup.__file__).parent
    times = [path.stat().st_mtime_ns for room in _ROOMS for path in (home / room).rglob("*.py")]
    return hashlib.sha256(f"{said} {max(times, default=0)}".encode()).digest()


def _is_installed(name: str) -> bool:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return bool(metadata.version(name))
    return False
