"""What a render may ask beyond its trees: live objects, other repositories, charts, addresses of the web.

Made by `render` out of a request, handed to `helm` and `kustomize`. Answers are noted like files, by what they were: a
render that is kept holds for as long as they stay the same, which may change without any commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from trueup.kube.names import Object
from trueup.kube.problems import ApiProblem
from trueup.ports import Charts, RenderRequest, SourceProblem, Tree

Look = tuple[str, str, str]
"""Which tree (empty for the source's own), which question, about which path."""
Lookup = Callable[[str, str, str, str], Object | None]
Remote = Callable[[str, str], Tree]
Read = Callable[[str], bytes]
LIVE, _REMOTE, _CHART, _URL = "lookup", "remote", "chart", "url"
_REFUSED = ""
"""The answer that is none. The render says why; when there is one again, it is another answer."""
OUTSIDE = frozenset({LIVE, _REMOTE, _CHART, _URL})
"""The questions that are about no tree of the request."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Whom to ask; None where that is not allowed."""

    lookup: Lookup | None = None
    remote: Remote | None = None
    charts: Charts | None = None
    urls: Read | None = None

    @classmethod
    def of(cls, request: RenderRequest) -> Outside:
        """What a request allows."""
        return cls(request.lookup, request.remote, request.charts, request.urls)

    @property
    def allowed(self) -> list[bool]:
        """Which questions may be asked: part of what a render depends on."""
        return [asked is not None for asked in (self.lookup, self.remote, self.charts, self.urls)]

    def noting(self, notes: dict[Look, str]) -> Outside:
        """The same, with every answer written down."""
        return Outside(
            self.lookup and _lookup(self.lookup, notes),
            self.remote and _remote(self.remote, notes),
            self.charts and _Charts(self.charts, notes),
            self.urls and _urls(self.urls, notes),
        )

    def says(self, question: str, about: str) -> str:
        """What a noted question is answered now, as short as it was noted."""
        asked = orjson.loads(about)
        try:
            if question == LIVE and self.lookup:
                return _object_digest(self.lookup(*asked))
            if question == _REMOTE and self.remote:
                return whole(self.remote(*asked))
            if question == _CHART and self.charts:
                return _chart(*self.charts.fetch(*asked))
            if question == _URL and self.urls:
                return hashlib.sha256(self.urls(*asked)).hexdigest()
        except (ApiProblem, SourceProblem):
            return _REFUSED
        return _REFUSED


NOWHERE = Outside()


def _lookup(ask: Lookup, notes: dict[Look, str]) -> Lookup:
    def noted(version: str, kind: str, namespace: str, name: str) -> Object | None:
        about = "", LIVE, _about(version, kind, namespace, name)
        notes[about] = _REFUSED
        found = ask(version, kind, namespace, name)
        notes[about] = _object_digest(found)
        return found

    return noted


def _remote(ask: Remote, notes: dict[Look, str]) -> Remote:
    def noted(repository: str, ref: str) -> Tree:
        about = "", _REMOTE, _about(repository, ref)
        notes[about] = _REFUSED
        found = ask(repository, ref)
        notes[about] = whole(found)
        return found

    return noted


def _urls(ask: Read, notes: dict[Look, str]) -> Read:
    def noted(url: str) -> bytes:
        about = "", _URL, _about(url)
        notes[about] = _REFUSED
        found = ask(url)
        notes[about] = hashlib.sha256(found).hexdigest()
        return found

    return noted


class _Charts:
    """Charts whose versions and contents are noted."""

    def __init__(self, charts: Charts, notes: dict[Look, str]) -> None:
        self._charts, self._notes = charts, notes

    def repository(self, named: str) -> str:
        return self._charts.repository(named)

    def fetch(self, repository: str, name: str, version: str) -> tuple[str, Tree]:
        about = "", _CHART, _about(repository, name, version)
        self._notes[about] = _REFUSED
        found = self._charts.fetch(repository, name, version)
        self._notes[about] = _chart(*found)
        return found


def _chart(version: str, tree: Tree) -> str:
    return f"{version} {whole(tree)}"


def _about(*asked: str) -> str:
    return orjson.dumps(asked).decode()


def whole(tree: Tree) -> str:
    """What a tree is known by."""
    return str(getattr(tree, "identity", "")) or tree.digest("")


def _object_digest(found: Object | None) -> str:
    return hashlib.sha256(orjson.dumps(found, option=orjson.OPT_SORT_KEYS)).hexdigest()
