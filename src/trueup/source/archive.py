"""`ArchiveTree`: the files of a packed chart, or of a registry's artifact, out of its archive. Nothing touches the disk.

Made by `charts`; read by renderers from worker threads. Bounded as Helm bounds what it unpacks, so that a few kilobytes
cannot become the machine's memory.

Source of the behaviour: Helm's chart loader (``LoadArchiveFiles``, its limits, the first folder taken off).
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Sequence

from trueup.ports import SourceProblem
from trueup.source.tree import EntryKind, Parts, Walked

MOST_UNPACKED = 100 * 1024 * 1024
MOST_OF_FILE = 5 * 1024 * 1024
"""Helm's own limits."""
_MOST_ENTRIES = 20_000
_STEP = 1024 * 1024
_GZIP = 31
"""zlib's word for a gzip header before and a checksum behind."""


class ArchiveTree(Walked):
    """The files of a ``.tar`` or ``.tar.gz``; of a chart, those in its one folder."""

    def __init__(self, data: bytes, *, name: str, chart: bool) -> None:
        super().__init__()
        self.identity = hashlib.sha256(data).hexdigest()
        self._files: dict[Parts, bytes] = {}
        self._links: dict[Parts, str] = {}
        self._folders: dict[Parts, set[str]] = {(): set()}
        self._unpack(data, name, chart)
        self.size = sum(len(content) for content in self._files.values())

    def read(self, path: str) -> bytes:
        """The content of a file."""
        return self._files[self.found(path, "file")]

    def list(self, path: str) -> Sequence[str]:
        """The names in a folder."""
        return sorted(self._folders[self.found(path, "folder")])

    def digest(self, path: str) -> str:
        """A SHA-256 of the content; of a folder, over its names and their digests."""
        parts, kind = self._resolve(path)
        if kind == "none":
            raise FileNotFoundError(f"{path}: no such file or folder in the chart")
        return self._digest(parts)

    def _digest(self, parts: Parts) -> str:
        if parts in self._files:
            return hashlib.sha256(self._files[parts]).hexdigest()
        if parts in self._links:
            return hashlib.sha256(b"link " + self._links[parts].encode("utf-8", "surrogateescape")).hexdigest()
        total = hashlib.sha256()
        for name in sorted(self._folders[parts]):
            total.update(f"{name}\0{self._digest((*parts, name))}\0".encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def _entry(self, parts: Parts) -> EntryKind:
        if parts in self._files:
            return "file"
        return "folder" if parts in self._folders else "link" if parts in self._links else "none"

    def _target(self, parts: Parts) -> str:
        return self._links[parts]

    # -- unpacking ------------------------------------------------------------------------------------------------

    def _unpack(self, data: bytes, name: str, chart: bool) -> None:
        plain = _inflated(data, name) if data[:2] == b"\x1f\x8b" else data
        try:
            with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
                self._members(tar, name, chart)
        except (tarfile.TarError, UnicodeError) as problem:
            raise _bad(name, f"it is no tar archive ({problem})") from None
        if not self._files:
            raise _bad(name, "there are no files in it")

    def _members(self, tar: tarfile.TarFile, name: str, chart: bool) -> None:
        for count, member in enumerate(tar, 1):
            if count > _MOST_ENTRIES:
                raise _bad(name, f"it has more than {_MOST_ENTRIES} entries")
            if member.isdir():
                continue
            parts = _parts(member.name, name, chart)
            if not parts or parts in self._folders or any(parts[:at] in self._files for at in range(1, len(parts))):
                raise _bad(name, f"{member.name!r} is a file and a folder")
            if member.isreg():
                self._put(parts, _content(tar, member, name))
            elif member.issym():
                self._put(parts, link=member.linkname)
            elif member.islnk():
                self._put(parts, self._files.get(_parts(member.linkname, name, chart), b""))
            else:
                raise _bad(name, f"{member.name!r} is neither a file nor a folder")

    def _put(self, parts: Parts, content: bytes | None = None, link: str = "") -> None:
        self._files.pop(parts, None)
        self._links.pop(parts, None)  # the last of several entries for one path is the one that counts
        if content is None:
            self._links[parts] = link
        else:
            self._files[parts] = content
        for at in range(len(parts)):
            self._folders.setdefault(parts[:at], set()).add(parts[at])


def _inflated(data: bytes, name: str) -> bytes:
    """All members of a gzip file, never more than the limit in memory."""
    out = bytearray()
    while data:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            while data and not unpacker.eof:
                out += unpacker.decompress(data, _STEP)
                data = unpacker.unconsumed_tail
                if len(out) > MOST_UNPACKED:
                    raise _bad(name, f"decompressed chart is larger than the maximum size {MOST_UNPACKED}")
        except zlib.error as problem:
            raise _bad(name, f"it is not packed by gzip ({problem})") from None
        if not unpacker.eof:
            raise _bad(name, "it ends in the middle")
        data = unpacker.unused_data.lstrip(b"\0")
    return bytes(out)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> bytes:
    if member.size > MOST_OF_FILE:
        message = f"decompressed chart file {member.name!r} is larger than the maximum file size {MOST_OF_FILE}"
        raise _bad(name, message)
    file = tar.extractfile(member)
    return file.read() if file else b""


def _parts(path: str, name: str, chart: bool) -> Parts:
    """A path inside; what leads out is refused, as Helm refuses it."""
    clean = path.replace("\\", "/")
    parts = [part for part in clean.split("/") if part not in ("", ".")]
    if clean.startswith("/") or ".." in parts or (parts and parts[0][1:2] == ":"):
        raise _bad(name, f"chart illegally references a path outside: {path!r}")
    if chart and len(parts) < 2:
        raise _bad(name, f"chart base directory is missing: {path!r}")
    return tuple(parts[1:] if chart else parts)


def _bad(name: str, why: str) -> SourceProblem:
    return SourceProblem("InvalidChartPackage", f"{name} cannot be unpacked: {why}", retry=False)
