"""Which resource serves a kind: read once, kept, looked up anew on a miss. Called by `http.py`.

The reading is pure (documents in, `ResourceInfo` out); `Discovery` asks through a function that it is handed.
Source: Kubernetes documentation, "Discovery API" (aggregated with ETag since 1.26, plain before and elsewhere).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Kind, Object, Resource
from trueup.kube.problems import ApiProblem, NotFound
from trueup.ports import ResourceInfo

log = logging.getLogger("trueup.client.discovery")

AGGREGATED = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")
)
ACCEPT = f"{AGGREGATED},application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A discovery document; ``value`` is None when it has not changed since ``etag``."""

    value: Object | None
    etag: str = ""


Ask = Callable[[str, str], Awaitable[Answer]]
"""``ask(path, etag)``; raises ``ApiProblem``."""


class Discovery:
    """What one cluster serves."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._all: tuple[ResourceInfo, ...] | None = None
        self._by_kind: dict[Kind, ResourceInfo] = {}
        self._etags: dict[str, tuple[str, tuple[ResourceInfo, ...]]] = {}
        self._lock = asyncio.Lock()

    def known(self, kind: Kind) -> ResourceInfo | None:
        """The resource of a kind, as far as it is known without asking."""
        return self._by_kind.get(kind)

    async def find(self, kind: Kind) -> ResourceInfo:
        """The resource of a kind; one that is not known is asked for by its group and version. Raises ``NotFound``."""
        found = self._by_kind.get(kind)
        if found is None and self._all is None:
            await self.refresh()
            found = self._by_kind.get(kind)
        if found is None:
            await self._look_up(kind)
            found = self._by_kind.get(kind)
        if found is None:
            raise NotFound(f'no matches for kind "{kind.kind}" in version "{kind.api_version}"')
        return found

    def forget(self, kind: Kind) -> None:
        """The server says that it serves this no more."""
        if self._by_kind.pop(kind, None) is not None:
            self._all = None

    async def resources(self) -> Sequence[ResourceInfo]:
        """All that is served."""
        if self._all is None:
            await self.refresh()
        return self._all or ()

    async def refresh(self) -> None:
        """Read all anew; what has not changed is not sent again."""
        async with self._lock:
            if self._all is not None:
                return
            core, groups = await asyncio.gather(self._part("/api"), self._part("/apis"))
            self._all = (*core, *groups)
            self._by_kind = {info.kind: info for info in reversed(self._all)}

    async def _part(self, path: str) -> tuple[ResourceInfo, ...]:
        etag, before = self._etags.get(path, ("", ()))
        answer = await self._ask(path, etag)
        if answer.value is None:
            return before
        if answer.value.get("kind") == "APIGroupDiscoveryList":
            found = tuple(aggregated(answer.value))
        else:
            found = await self._plain(group_versions(answer.value))
        self._etags[path] = (answer.etag, found)
        return found

    async def _plain(self, paths: Iterable[str]) -> tuple[ResourceInfo, ...]:
        async def one(path: str) -> tuple[ResourceInfo, ...]:
            try:
                answer = await self._ask(path, "")
            except ApiProblem as problem:  # an aggregated API whose server is down hides no other
                log.warning("discovery of %s: %s", path, problem)
                return ()
            return tuple(plain(answer.value or {}))

        return tuple(info for part in await asyncio.gather(*map(one, paths)) for info in part)

    async def _look_up(self, kind: Kind) -> None:
        path = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        try:
            answer = await self._ask(path, "")
        except NotFound:
            return
        for info in plain(answer.value or {}):
            if info.kind not in self._by_kind:
                self._by_kind[info.kind] = info
                self._all = None


def aggregated(document: Object) -> Iterator[ResourceInfo]:
    """The resources of an ``APIGroupDiscoveryList``; versions come in order of preference."""
    for group in document.get("items") or ():
        name = group["metadata"].get("name") or ""
        for version in group.get("versions") or ():
            for entry in version.get("resources") or ():
                served = entry.get("responseKind") or {}
                kind = served.get("kind")
                if not kind:
                    continue  # a resource whose kind is not told cannot be addressed by kind
                api_version = version["version"]
                yield ResourceInfo(
                    resource=Resource(name, api_version, entry["resource"]),
                    kind=Kind(served.get("group") or name, served.get("version") or api_version, kind),
                    namespaced=entry.get("scope") == "Namespaced",
                    verbs=frozenset(entry.get("verbs") or ()),
                    singular=entry.get("singularResource") or "",
                    short_names=tuple(entry.get("shortNames") or ()),
                    categories=tuple(entry.get("categories") or ()),
                    subresources=frozenset(sub["subresource"] for sub in entry.get("subresources") or ()),
                )


def group_versions(document: Object) -> list[str]:
    """The paths that an ``APIVersions`` or ``APIGroupList`` names, preferred versions first within a group."""
    if document.get("kind") == "APIVersions" or "versions" in document:
        return [f"/api/{version}" for version in document.get("versions") or ()]
    paths: list[str] = []
    for group in document.get("groups") or ():
        versions = [version["groupVersion"] for version in group.get("versions") or ()]
        preferred = (group.get("preferredVersion") or {}).get("groupVersion")
        paths.extend(f"/apis/{version}" for version in sorted(versions, key=lambda version: version != preferred))
    return paths


def plain(document: Object) -> Iterator[ResourceInfo]:
    """The resources of an ``APIResourceList``."""
    group, _, version = str(document.get("groupVersion") or "").rpartition("/")
    entries: Sequence[Mapping[str, Any]] = document.get("resources") or ()
    below: dict[str, set[str]] = {}
    for entry in entries:
        name, slash, sub = entry["name"].partition("/")
        if slash:
            below.setdefault(name, set()).add(sub)
    for entry in entries:
        name = entry["name"]
        if "/" in name or not entry.get("kind"):
            continue
        yield ResourceInfo(
            resource=Resource(group, version, name),
            kind=Kind(entry.get("group") or group, entry.get("version") or version, entry["kind"]),
            namespaced=bool(entry.get("namespaced")),
            verbs=frozenset(entry.get("verbs") or ()),
            singular=entry.get("singularName") or "",
            short_names=tuple(entry.get("shortNames") or ()),
            categories=tuple(entry.get("categories") or ()),
            subresources=frozenset(below.get(name, ())),
        )
