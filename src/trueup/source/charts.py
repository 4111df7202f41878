"""`ChartFetcher`: which chart in, its files out. The shell of this room over Helm repositories and registries.

Part of `sources.Sources`. One question serves everybody who asks for the same within `POLL_SECONDS`; an archive is
fetched once and kept by its digest, under the names of those whose credentials it was shown to. A version that was had
once is had for good, as in Argo CD, until somebody says that there is news: then its digest is asked for again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from trueup.ports import Artifact, ChartSpec, Clock, SourceProblem
from trueup.source import helmrepo, provenance, urls
from trueup.source.access import Access
from trueup.source.archive import ArchiveTree
from trueup.source.chart_folder import ChartFolder
from trueup.source.index import Entry, entries, is_exact, picked, resolved
from trueup.source.kept import Kept, Record
from trueup.source.mapping import by_url
from trueup.source.once import Once
from trueup.source.registry import Manifest, Repository

POLL_SECONDS = 60.0
"""How old an index, a list of tags or what a tag stands for may be. A webhook or a refresh makes it older at once."""
_MOST_OF_HOST, _MOST_PAGES = 6, 64
_MOST_UNPACKED = 64 * 1024 * 1024
"""Of trees in memory; what is let go of is unpacked again when it is needed."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chart is: the repository without credentials, what opens it, and the keys that answers are known by."""

    url: str
    access: Access
    same: str

    @property
    def in_registry(self) -> bool:
        return self.url.startswith("oci://")

    def key(self, *more: str) -> tuple[str, ...]:
        return (self.url, self.access.known_by, *more)


@dataclass(frozen=True, slots=True)
class _Asked:
    """When a question was asked, and how often there had been news by then."""

    at: float
    news: int


@dataclass(slots=True)
class _Index:
    """A repository's index as it was last seen; its text is on disk."""

    known_as: str
    asked: _Asked
    digest: str
    charts: dict[str, list[Entry]]


class ChartFetcher:
    """``folder`` keeps archives and indexes; ``mapping`` answers URLs from local folders."""

    def __init__(
        self, folder: Path, *, clock: Clock, mapping: Mapping[str, Path] | None = None, poll: float = POLL_SECONDS
    ) -> None:
        self._clock, self._poll = clock, poll
        self._mapping = by_url(mapping or {})
        self._kept = Kept(folder)
        self._once = Once()
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._indexes: dict[tuple[str, ...], _Index] = {}
        self._tags: dict[tuple[str, ...], tuple[list[str], _Asked]] = {}
        self._digests: dict[tuple[str, ...], tuple[str, _Asked]] = {}
        self._pages: dict[tuple[str, ...], tuple[bytes, _Asked]] = {}
        self._news: dict[str, int] = {}
        self._compared: dict[tuple[str, ...], int] = {}
        """How much news there had been when a kept version was last compared with its remote."""
        self._trees: OrderedDict[tuple[str, bool], ArchiveTree] = OrderedDict()

    # -- the port -------------------------------------------------------------------------------------------------

    async def resolve(self, spec: ChartSpec) -> str:
        """The version, or the digest of a registry's artifact, that a spec names now."""
        place = _place(spec)
        folder = self._mapping.get(place.same)
        if folder is not None:
            return (await asyncio.to_thread(ChartFolder(folder).find, spec.chart, spec.version))[0]
        if place.in_registry and not spec.chart:
            return await self._tagged(place, spec.version)
        if is_exact(spec.version):
            return spec.version
        return resolved(spec.version, await self._versions(place, spec.chart))

    async def fetch(self, spec: ChartSpec, revision: str = "") -> Artifact:
        """The files of a version, or digest."""
        place = _place(spec)
        folder = self._mapping.get(place.same)
        if folder is not None:
            return await asyncio.to_thread(ChartFolder(folder).artifact, spec.chart, revision or spec.version)
        wanted = revision or await self.resolve(spec)
        signed = hashlib.sha256(spec.keyring).hexdigest() if spec.keyring else ""
        key = place.key(spec.chart, wanted, signed)
        record = await asyncio.to_thread(self._kept.record, key)
        if record is None or self._compared.get(key, 0) != self._news.get(place.same, 0):
            record = await self._once(
                ("fetch", *key), lambda: self._renewed(place, replace(spec, version=wanted), key, record)
            )
        tree = await asyncio.to_thread(self._tree, record, spec.chart or spec.url)
        if tree is None:
            record = await self._once(
                ("fetch", *key), lambda: self._renewed(place, replace(spec, version=wanted), key, None)
            )
            tree = await asyncio.to_thread(self._tree, record, spec.chart or spec.url)
        if tree is None:
            raise SourceProblem("StorageFailed", f"{spec.chart or spec.url} was fetched and cannot be read")
        return Artifact(wanted, record.version, tree, record.author, record.message, record.date)

    async def read(self, url: str) -> bytes:
        """What stands at a URL: a values file, which is small."""
        address = urls.parse(url, frozenset({"https", "http"}))
        access = Access.of({}, address.username, address.password)
        place = _Place(address.url, access, urls.same(url))
        known = self._pages.get(place.key())
        if known is None or self._is_old(known[1], place):
            known = await self._once(("page", *place.key()), lambda: self._ask_page(place))
        return known[0]

    async def _ask_page(self, place: _Place) -> tuple[bytes, _Asked]:
        asked = self._asked(place)
        async with self._turn(place):
            found = await helmrepo.page(place.url, place.access), asked
        self._pages[place.key()] = found
        while len(self._pages) > _MOST_PAGES:
            del self._pages[next(iter(self._pages))]
        return found

    def forget(self, addresses: Iterable[str]) -> None:
        """Ask these repositories anew: answers are old, and versions that are kept are compared with what is there."""
        for same in addresses:
            self._news[same] = self._news.get(same, 0) + 1

    def mapped(self, same: str) -> Path | None:
        """The folder that answers for a URL, if one does."""
        return self._mapping.get(same)

    async def close(self) -> None:
        """End what runs; archives stay."""
        await self._once.close()

    # -- what there is --------------------------------------------------------------------------------------------

    async def _versions(self, place: _Place, chart: str) -> list[str]:
        if place.in_registry:
            return await self._all_tags(place, chart)
        return [entry.version for entry in await self._entries(place, chart)]

    async def _entries(self, place: _Place, chart: str) -> list[Entry]:
        known = self._indexes.get(place.key())
        if known is None or self._is_old(known.asked, place):
            known = await self._once(("index", *place.key()), lambda: self._ask_index(place))
        if chart not in known.charts:
            digest = known.digest
            text = await asyncio.to_thread(self._kept.archive, digest)
            if text is None:
                self._indexes.pop(place.key(), None)
                raise SourceProblem("StorageFailed", f"the index of {place.url} was fetched and cannot be read")
            known.charts[chart] = await asyncio.to_thread(entries, text, chart)
        return known.charts[chart]

    async def _ask_index(self, place: _Place) -> _Index:
        asked = self._asked(place)
        before = self._indexes.get(place.key())
        async with self._turn(place):
            answer = await helmrepo.index(place.url, place.access, before.known_as if before else "")
        if answer.status == 304 and before is not None:
            before.asked = asked
            return before
        digest = await asyncio.to_thread(self._kept.put, answer.body)
        found = _Index(answer.headers.get("ETag") or "", asked, digest, {})
        self._indexes[place.key()] = found
        return found

    async def _all_tags(self, place: _Place, chart: str) -> list[str]:
        """As versions: what a tag cannot hold is written otherwise there."""
        key = place.key(chart)
        known = self._tags.get(key)
        if known is None or self._is_old(known[1], place):
            known = await self._once(("tags", *key), lambda: self._ask_tags(place, chart))
        return known[0]

    async def _ask_tags(self, place: _Place, chart: str) -> tuple[list[str], _Asked]:
        asked = self._asked(place)
        async with self._turn(place):
            tags = await _repository(place, chart).tags()
        found = [tag.replace("_", "+") for tag in tags], asked
        self._tags[place.key(chart)] = found
        return found

    async def _tagged(self, place: _Place, version: str) -> str:
        """The digest of a tag, or of the newest one in a range: a name goes before what it might mean as a range."""
        if version.startswith(("sha256:", "sha512:")):
            return version
        try:
            return await self._digest(place, version or "latest")
        except SourceProblem as problem:
            if problem.reason not in ("ChartNotFound", "InvalidVersion") or is_exact(version):
                raise
        return await self._digest(place, _tag(resolved(version, await self._all_tags(place, ""))))

    async def _digest(self, place: _Place, tag: str) -> str:
        key = place.key("", tag)
        known = self._digests.get(key)
        if known is None or self._is_old(known[1], place):
            known = await self._once(("digest", *key), lambda: self._ask_digest(place, tag))
        return known[0]

    async def _ask_digest(self, place: _Place, tag: str) -> tuple[str, _Asked]:
        asked = self._asked(place)
        async with self._turn(place):
            found = await _repository(place, "").digest(tag), asked
        self._digests[place.key("", tag)] = found
        return found

    def _asked(self, place: _Place) -> _Asked:
        return _Asked(self._clock.now(), self._news.get(place.same, 0))

    def _is_old(self, asked: _Asked, place: _Place) -> bool:
        return self._clock.now() - asked.at >= self._poll or self._news.get(place.same, 0) != asked.news

    # -- getting it -----------------------------------------------------------------------------------------------

    async def _renewed(self, place: _Place, spec: ChartSpec, key: tuple[str, ...], before: Record | None) -> Record:
        """Fetched, or seen to be the same still. Should the remote not answer now, what it once gave is good enough."""
        news = self._news.get(place.same, 0)
        try:
            fetch = self._from_registry if place.in_registry else self._from_repository
            found = await fetch(place, spec, key, before)
            self._compared[key] = news
            return found
        except SourceProblem as problem:
            if before is None or not problem.retry or problem.reason in ("ChartNotFound", "VersionNotFound"):
                raise
            return before

    async def _from_repository(
        self, place: _Place, spec: ChartSpec, key: tuple[str, ...], before: Record | None
    ) -> Record:
        listed = await self._entries(place, spec.chart)
        version = picked(spec.version, [entry.version for entry in listed])
        entry = next(entry for entry in listed if entry.version == version)
        if before is not None and entry.digest in ("", before.digest) and before.version == version:
            return before
        async with self._turn(place):
            passed = spec.pass_credentials
            data = await helmrepo.archive(place.url, entry.urls[0], place.access, pass_credentials=passed)
            found = hashlib.sha256(data).hexdigest()
            if entry.digest and entry.digest != found:
                message = (
                    f"chart {spec.chart} {version} of {place.url} has the digest {found}, its index says {entry.digest}"
                )
                raise SourceProblem("DigestMismatch", message)
            if spec.keyring:
                proof = await helmrepo.signature(place.url, entry.urls[0], place.access, pass_credentials=passed)
                name = urlsplit(entry.urls[0]).path.rpartition("/")[2]
                await provenance.verify(data, name, proof, spec.keyring)
        record = Record("", version, True, entry.maintainers, entry.description, entry.created)
        return await asyncio.to_thread(self._store, key, record, data, spec.chart)

    async def _from_registry(
        self, place: _Place, spec: ChartSpec, key: tuple[str, ...], before: Record | None
    ) -> Record:
        repository, version = _repository(place, spec.chart), spec.version
        if spec.chart and not is_exact(version):
            version = resolved(version, await self._all_tags(place, spec.chart))
        async with self._turn(place):
            manifest = await self._manifest(repository, place, spec, version)
            if before is not None and before.origin == manifest.digest:
                return before
            data = await repository.blob(manifest.layer)
            if spec.keyring:
                if manifest.signature is None:
                    raise SourceProblem("NotSigned", f"{place.url}: there is no provenance layer", retry=False)
                proof = await repository.blob(manifest.signature, 1024 * 1024)
                noted = manifest.annotations or {}
                title = noted.get("org.opencontainers.image.title") or spec.chart
                number = noted.get("org.opencontainers.image.version") or version
                await provenance.verify(data, f"{title}-{number}.tgz", proof, spec.keyring)
        notes = manifest.annotations or {}
        record = Record(
            "", version, manifest.chart, notes.get("org.opencontainers.image.authors", ""),
            notes.get("org.opencontainers.image.description", ""), notes.get("org.opencontainers.image.created", ""),
            manifest.digest,
        )  # fmt: skip
        return await asyncio.to_thread(self._store, key, record, data, spec.chart or place.url)

    async def _manifest(self, repository: Repository, place: _Place, spec: ChartSpec, version: str) -> Manifest:
        """By the tag of that very name; a version that is written in part (``1.2``) may stand for a longer one."""
        try:
            return await repository.manifest(_tag(version))
        except SourceProblem as problem:
            if problem.reason != "ChartNotFound" or not spec.chart:
                raise
            try:
                longer = picked(version, await self._all_tags(place, spec.chart))
            except SourceProblem:
                raise problem from None
            return await repository.manifest(_tag(longer))

    def _store(self, key: tuple[str, ...], record: Record, data: bytes, name: str) -> Record:
        """Unpacked before it is kept: what cannot be is never answered from memory."""
        tree = ArchiveTree(data, name=name, chart=record.chart)
        stored = self._kept.remember(key, replace(record, digest=self._kept.put(data)))
        self._keep((stored.digest, stored.chart), tree)
        return stored

    def _tree(self, record: Record, name: str) -> ArchiveTree | None:
        known = self._trees.get((record.digest, record.chart))
        if known is None:
            data = self._kept.archive(record.digest)
            if data is None:
                return None
            known = ArchiveTree(data, name=name, chart=record.chart)
        self._keep((record.digest, record.chart), known)
        return known

    def _keep(self, key: tuple[str, bool], tree: ArchiveTree) -> None:
        self._trees[key] = tree
        self._trees.move_to_end(key)
        while sum(one.size for one in list(self._trees.values())) > _MOST_UNPACKED and len(self._trees) > 1:
            self._trees.popitem(last=False)

    @asynccontextmanager
    async def _turn(self, place: _Place) -> AsyncIterator[None]:
        """A host that does not answer keeps only its own share of connections."""
        host = urlsplit(place.url).netloc
        async with self._hosts.setdefault(host, asyncio.Semaphore(_MOST_OF_HOST)):
            yield


def _place(spec: ChartSpec) -> _Place:
    """Raises ``SourceProblem`` for what is no address."""
    text = spec.url.strip()
    address = urls.parse(text, frozenset({"https", "http", "oci"}))
    if not address.url.startswith("oci://") and not spec.chart:
        raise SourceProblem("InvalidURL", f"{urls.safe(text)}: which chart of the repository is not said", retry=False)
    access = Access.of(spec.secret, address.username, address.password)
    return _Place(address.url.rstrip("/"), access, urls.same(text))


def _repository(place: _Place, chart: str) -> Repository:
    return Repository(f"{place.url}/{chart}" if chart else place.url, place.access)


def _tag(version: str) -> str:
    """Tags have no plus sign; Helm writes an underscore."""
    return version.replace("+", "_")
