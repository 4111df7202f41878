"""What ``index.yaml`` of a Helm repository says of one chart, and which version a spec names among them. Pure.

Called by `helmrepo` and `charts`. Sources: Helm's ``IndexFile`` (an exact version first, then the highest that a range
takes, stable ones unless a pre-release is named) and Argo CD's ``versions.MaxVersion``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from trueup.kube import semver
from trueup.kube.documents import YamlProblem, parse_first
from trueup.kube.semver import RangeProblem, Version
from trueup.ports import SourceProblem

_MOST_READ = 8 * 1024 * 1024
"""Bytes of YAML, which takes 3 s to read. An index that Helm wrote may be longer, for of it one chart's lines are read."""
_ENTRIES = re.compile(rb"^entries:[ \t]*\r?$", re.MULTILINE)
_API_VERSION = re.compile(rb"^apiVersion:[ \t]*\S", re.MULTILINE)
_NEXT = re.compile(rb"^(?:[^ \t\r\n#]|  ?[^ \t\r\n#-])", re.MULTILINE)
"""The line that ends a chart's entries: another chart at two blanks, or another field of the file at none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a chart in an index."""

    version: str
    urls: tuple[str, ...]
    digest: str = ""
    """SHA-256 in hexadecimal digits; empty where the repository tells none."""
    description: str = ""
    maintainers: str = ""
    created: str = ""


def entries(data: bytes, chart: str) -> list[Entry]:
    """The versions of one chart, newest first; what is no version or has no URL is passed over. Raises ``SourceProblem``."""
    found = [_entry(row) for row in _rows(data, chart) if isinstance(row, dict)]
    usable = [(version, entry) for entry in found if entry.urls and (version := Version.parse(entry.version))]
    usable.sort(key=lambda pair: pair[0], reverse=True)
    return [entry for _, entry in usable]


def _rows(data: bytes, chart: str) -> Sequence[Any]:
    if not data.strip():
        raise _no_index("it is empty")
    whole = _quick(data, chart)
    if whole is None:
        whole = _read(data)
    if not isinstance(whole, dict) or not whole.get("apiVersion"):
        raise _no_index("no API version specified")
    charts = whole.get("entries")
    rows = charts.get(chart) if isinstance(charts, dict) else None
    if not isinstance(rows, list):
        raise SourceProblem("ChartNotFound", f"chart {chart!r} is not in the repository's index")
    return rows


def _quick(data: bytes, chart: str) -> Any:
    """One chart's lines alone, for an index may have 20 MB and takes seconds to read; None where it is written otherwise.

    In the one form that Helm and its like write, a line that begins after exactly two blanks, or none, is a key: whatever
    is inside an entry stands deeper.
    """
    begin = _ENTRIES.search(data)
    if data[:1] == b"{" or begin is None or _API_VERSION.search(data) is None:
        return None
    key = re.compile(rb"^  ([\"']?)" + re.escape(chart.encode()) + rb"\1:[ \t]*\r?$", re.MULTILINE)
    start = key.search(data, begin.end())
    if start is None:
        return None
    end = _NEXT.search(data, start.end())
    return _read(b"apiVersion: v1\nentries:\n" + data[start.start() : end.start() if end else len(data)])


def _read(data: bytes) -> Any:
    if data[:1] == b"{":
        with suppress(orjson.JSONDecodeError):  # YAML may begin so, too
            return orjson.loads(data)
    if len(data) > _MOST_READ:
        raise _no_index(f"what is to be read of it has {len(data)} bytes, allowed are {_MOST_READ}")
    try:
        document = parse_first(data)
    except YamlProblem as problem:
        raise _no_index(str(problem)) from None
    return document.value if document else None


def _entry(row: dict[str, Any]) -> Entry:
    urls = row.get("urls")
    maintainers = row.get("maintainers")
    people = [person for person in maintainers if isinstance(person, dict)] if isinstance(maintainers, list) else []
    return Entry(
        version=str(row.get("version") or ""),
        urls=tuple(str(url) for url in urls) if isinstance(urls, list) else (),
        digest=str(row.get("digest") or "").removeprefix("sha256:").lower(),
        description=str(row.get("description") or ""),
        maintainers=", ".join(f"{who.get('name') or ''} <{who.get('email') or ''}>" for who in people),
        created=str(row.get("created") or ""),
    )


def _no_index(why: str) -> SourceProblem:
    return SourceProblem("InvalidIndex", f"what the repository has as index.yaml is no index: {why}")


def is_exact(version: str) -> bool:
    """Whether a version is one, written out in part or in full, and no range."""
    return Version.parse(version) is not None


def resolved(wanted: str, versions: Iterable[str]) -> str:
    """The version that is meant: the highest that a range takes, or the very one of that name. Raises ``SourceProblem``."""
    known = list(versions)
    try:
        found = semver.newest(wanted or "*", known)
    except RangeProblem as problem:
        if wanted in known:
            return wanted
        raise SourceProblem("InvalidVersion", f"invalid revision: {problem}", retry=False) from None
    if found is None:
        raise SourceProblem("VersionNotFound", f"no version matches {wanted!r} among {len(known)}")
    return found


def picked(wanted: str, versions: Sequence[str]) -> str:
    """The version to download: exactly that one if there is one of its name, else as `resolved`."""
    return wanted if wanted in versions else resolved(wanted, versions)
