"""`GitFetcher`: a spec in, an immutable artifact out. The shell of this room over Git.

Part of `sources.Sources`, which delivery and the families' source controllers call.

One question to a remote serves everybody who asks within `poll` seconds, one fetch serves everybody who waits for it,
and a mirror is only asked again for commits that it lacks. What one set of credentials may read is not shown to another:
answers are shared among equal credentials, and a commit is handed out only after the remote answered those credentials.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pygit2

from trueup.ports import Artifact, Clock, GitSpec, SourceProblem
from trueup.source import git, urls
from trueup.source.mapping import Mapped, Snapshot, by_url, open_folder
from trueup.source.once import Once
from trueup.source.refs import Named, Refs, is_commit, named
from trueup.source.tree import GitTree

POLL_SECONDS = 10.0
"""How old an answer of a remote may be. A webhook or a refresh makes it older than that at once."""
_LOCAL_POLL_SECONDS = 0.5
_MOST_PROCESSES, _MOST_OF_HOST = 24, 6
"""Of Git, at once: a host that does not answer keeps only its own share of them."""
_MOST_ARTIFACTS = 512
_MOST_PACKS = 50
log = logging.getLogger("trueup.source")


@dataclass(frozen=True, slots=True)
class _Answer:
    refs: Refs
    at: float


class GitFetcher:
    """``folder`` holds the mirrors; ``mapping`` answers URLs from local folders."""

    def __init__(
        self,
        folder: Path,
        *,
        mapping: Mapping[str, Path] | None = None,
        clock: Clock,
        poll: float = POLL_SECONDS,
        protocols: frozenset[str] = urls.PROTOCOLS,
    ) -> None:
        self._folder, self._clock, self._poll, self._protocols = folder, clock, poll, protocols
        self._mapping = by_url(mapping or {})
        self._local: dict[str, Mapped | Snapshot] = {}
        self._local_named: dict[tuple[str, str, str], tuple[Named, float]] = {}
        self._answers: dict[tuple[str, str], _Answer] = {}
        self._once = Once()
        self._mirrors: dict[Path, pygit2.Repository] = {}
        self._paths: dict[str, Path] = {}
        """Where each mirror is: it has another number after each time that it was damaged."""
        self._damaged: set[Path] = set()
        """Mirrors of which something could not be read; told by the threads that read."""
        self._locks: dict[Path, asyncio.Lock] = {}
        self._processes = asyncio.Semaphore(_MOST_PROCESSES)
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._artifacts: dict[tuple[str, str], Artifact] = {}

    # -- the port -----------------------------------------------------------------------------------------------

    async def resolve(self, spec: GitSpec) -> str:
        """The commit that a spec names now."""
        return (await self._named(spec)).commit

    async def fetch(self, spec: GitSpec, revision: str = "") -> Artifact:
        """The artifact of a commit, of what the spec names when none is given."""
        where = urls.same(spec.url)
        if where in self._mapping:
            return await self._fetch_local(where, spec, revision)
        found = Named(revision, await self._name(spec, revision)) if revision else await self._named(spec)
        await self._refs(spec, any_age=True)  # these credentials have been let in by the remote
        path = self._path(spec.url)
        try:
            return await self._from_mirror(where, spec, found)
        except SourceProblem as problem:
            if problem.reason != "MirrorDamaged":
                raise
            log.warning("the mirror of %s is damaged and fetched anew: %s", urls.safe(spec.url), problem)
        await self._discard(where, spec.url, path)
        return await self._from_mirror(where, spec, found)

    # -- what else people ask ------------------------------------------------------------------------------------

    def forget(self, addresses: Iterable[str]) -> None:
        """A push was heard of, or somebody wants to see the present: ask these remotes anew."""
        changed = {urls.same(url) for url in addresses}
        for key, answer in self._answers.items():
            if key[0] in changed:  # who was let in may still have what it was told, should the remote not answer now
                self._answers[key] = _Answer(answer.refs, -math.inf)
        self._local_named = {key: found for key, found in self._local_named.items() if key[0] not in changed}

    def mapped(self, url: str) -> Path | None:
        """The folder that answers for a URL, if one does."""
        return self._mapping.get(urls.same(url))

    async def close(self) -> None:
        """End what runs; the mirrors stay."""
        await self._once.close()

    # -- remote repositories -------------------------------------------------------------------------------------

    async def _named(self, spec: GitSpec) -> Named:
        where = urls.same(spec.url)
        if where in self._mapping:
            return await self._named_local(where, spec)
        if not spec.semver and is_commit(spec.ref):
            urls.parse(spec.url, self._protocols)
            return Named(spec.ref)
        found = named(spec, await self._refs(spec))
        return found if is_commit(found.commit) else await self._complete(spec, found)

    async def _name(self, spec: GitSpec, commit: str) -> str:
        """The name that a commit was found by, if the spec still says so."""
        try:
            found = named(spec, await self._refs(spec, any_age=True))
        except SourceProblem:
            return ""
        return found.name if found.commit == commit else ""

    async def _refs(self, spec: GitSpec, *, any_age: bool = False) -> Refs:
        key = (urls.same(spec.url), _digest(spec))
        known = self._answers.get(key)
        if known and (any_age or self._clock.now() - known.at < self._poll):
            return known.refs
        return await self._once(("refs", *key), lambda: self._ask(spec, key))

    async def _ask(self, spec: GitSpec, key: tuple[str, str]) -> Refs:
        self._folder.mkdir(parents=True, exist_ok=True)
        asked_at = self._clock.now()
        async with self._turn(spec.url):
            refs = await git.ask(spec.url, spec.secret, self._protocols, self._folder)
        self._answers[key] = _Answer(refs, asked_at)
        return refs

    async def _from_mirror(self, where: str, spec: GitSpec, found: Named) -> Artifact:
        """The commit, fetched if it is not there. Raises ``SourceProblem`` (``MirrorDamaged``)."""
        path = self._path(spec.url)
        if path in self._damaged:
            raise SourceProblem("MirrorDamaged", "an object could not be read")
        mirror = self._mirror(spec.url)
        try:
            if found.commit not in mirror:
                await self._fetch(spec, found.commit)
                mirror = self._mirror(spec.url)
            return self._artifact(where, mirror, found, lambda: self._damaged.add(path))
        except pygit2.GitError as problem:
            raise SourceProblem("MirrorDamaged", str(problem)) from problem

    async def _discard(self, where: str, url: str, path: Path) -> None:
        """Let a mirror go, and what was read from it. The next has another path, for libgit2 knows packs by theirs."""
        if self._path(url) != path:
            return  # somebody else who read from it was faster
        stem, _, number = path.stem.partition(".")
        self._paths[stem] = path.with_name(f"{stem}.{int(number or 0) + 1}.git")
        self._mirrors.pop(path, None)
        self._artifacts = {key: found for key, found in self._artifacts.items() if key[0] != where}
        async with self._lock(path):
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    @asynccontextmanager
    async def _turn(self, url: str) -> AsyncIterator[None]:
        """A process of Git, once the host has one free."""
        host = urls.parse(url, self._protocols).host
        async with self._hosts.setdefault(host, asyncio.Semaphore(_MOST_OF_HOST)), self._processes:
            yield

    async def _complete(self, spec: GitSpec, found: Named) -> Named:
        """The full id of an abbreviated commit; only a mirror of everything can tell."""
        mirror = self._mirror(spec.url)
        for last_try in (False, True):
            try:
                return Named(str(mirror.revparse_single(found.commit).peel(pygit2.Commit).id))
            except (KeyError, ValueError, pygit2.GitError):
                if last_try:
                    break
            await self._once(("all", *self._key(spec)), lambda: self._fetch_all(spec))
        raise SourceProblem("RevisionNotFound", f"no branch, tag or commit {found.commit!r} in the repository")

    async def _fetch(self, spec: GitSpec, commit: str) -> None:
        await self._once(("fetch", *self._key(spec), commit), lambda: self._fetch_commit(spec, commit))

    async def _fetch_commit(self, spec: GitSpec, commit: str) -> None:
        """Only the commit; from a remote that gives none by its id, all."""
        path = self._path(spec.url)
        async with self._lock(path), self._turn(spec.url):
            try:
                await git.fetch(path, spec.url, [commit], spec.secret, self._protocols, all_refs=False)
                if commit not in self._mirror(spec.url):
                    raise SourceProblem("MirrorDamaged", f"commit {commit} was fetched and cannot be read")
                await self._tidy(path)
                return
            except SourceProblem as problem:
                if problem.reason not in ("RevisionNotFound", "GitOperationFailed"):
                    raise
        await self._fetch_all(spec)
        if commit not in self._mirror(spec.url):
            raise SourceProblem("RevisionNotFound", f"commit {commit} is not in the repository")

    async def _tidy(self, path: Path) -> None:
        """A mirror of many packs is slow to look things up in."""
        if sum(1 for _ in (path / "objects" / "pack").glob("*.pack")) > _MOST_PACKS:
            try:
                await git.repack(path)
            except SourceProblem as problem:
                log.warning("%s stays in many packs for now: %s", path, problem)
            self._mirrors.pop(path, None)  # who reads from now on knows the new pack

    async def _fetch_all(self, spec: GitSpec) -> None:
        path = self._path(spec.url)
        self._mirror(spec.url)
        async with self._lock(path), self._turn(spec.url):
            await git.fetch(path, spec.url, [], spec.secret, self._protocols, all_refs=True)

    def _key(self, spec: GitSpec) -> tuple[str, str]:
        return urls.same(spec.url), _digest(spec)

    def _path(self, url: str) -> Path:
        stem = hashlib.sha256(urls.same(url).encode()).hexdigest()[:32]
        known = self._paths.get(stem)
        if known is None:
            there = sorted(self._folder.glob(f"{stem}*.git"), key=lambda path: (len(path.name), path.name))
            known = self._paths[stem] = there[-1] if there else self._folder / f"{stem}.git"
        return known

    def _lock(self, path: Path) -> asyncio.Lock:
        return self._locks.setdefault(path, asyncio.Lock())

    def _mirror(self, url: str) -> pygit2.Repository:
        path = self._path(url)
        known = self._mirrors.get(path)
        if known is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            known = self._mirrors[path] = pygit2.init_repository(str(path), bare=True)
        return known

    def _artifact(self, where: str, mirror: pygit2.Repository, found: Named, damaged: Callable[[], None]) -> Artifact:
        try:
            commit = mirror.revparse_single(found.commit).peel(pygit2.Commit)
        except (KeyError, ValueError):
            raise SourceProblem("RevisionNotFound", f"commit {found.commit} is not in the repository") from None
        return self._remember(
            where, found, lambda: _of_commit(commit, found.name, GitTree(mirror, commit.tree_id, damaged))
        )

    def _remember(self, where: str, found: Named, make: Callable[[], Artifact]) -> Artifact:
        """Artifacts are shared, so that the folders that a tree has read serve the next reader."""
        known = self._artifacts.pop((where, found.commit), None)
        if known is None or known.name != found.name:
            fresh = make()
            known = fresh if known is None else Artifact(
                fresh.revision, fresh.name, known.tree, fresh.author, fresh.message, fresh.date
            )  # fmt: skip
        self._artifacts[where, found.commit] = known
        if len(self._artifacts) > _MOST_ARTIFACTS:
            del self._artifacts[next(iter(self._artifacts))]
        return known

    # -- local folders -------------------------------------------------------------------------------------------

    async def _named_local(self, where: str, spec: GitSpec) -> Named:
        key = (where, spec.ref, spec.semver)
        known = self._local_named.get(key)
        if known and self._clock.now() - known[1] < _LOCAL_POLL_SECONDS:
            return known[0]
        return await self._once(("local", *key), lambda: self._look(where, spec))

    async def _look(self, where: str, spec: GitSpec) -> Named:
        at = self._clock.now()
        found = await asyncio.to_thread(lambda: self._folder_of(where).named(spec))
        self._local_named[where, spec.ref, spec.semver] = (found, at)
        return found

    async def _fetch_local(self, where: str, spec: GitSpec, revision: str) -> Artifact:
        found = await self._named_local(where, spec)
        if revision and revision != found.commit:
            found = Named(revision)
        folder = self._folder_of(where)
        tree = folder.tree(found.commit)

        def make() -> Artifact:
            made = GitTree(folder.repository, tree)
            if isinstance(folder, Snapshot):
                return Artifact(found.commit, found.name, made)
            return _of_commit(folder.repository[found.commit].peel(pygit2.Commit), found.name, made)

        return self._remember(where, found, make)

    def _folder_of(self, where: str) -> Mapped | Snapshot:
        """What kind of folder it is may change until it belongs to a repository: a plain one is looked at each time."""
        known = self._local.get(where)
        if isinstance(known, Mapped):
            return known
        mapped = open_folder(self._mapping[where])
        if mapped is not None:
            self._local[where] = mapped
            return mapped
        if known is None:
            snapshots = self._folder / "snapshots.git"
            snapshots.parent.mkdir(parents=True, exist_ok=True)
            repository = pygit2.init_repository(str(snapshots), bare=True)
            known = self._local[where] = Snapshot(repository, self._mapping[where].resolve())
        return known


def _digest(spec: GitSpec) -> str:
    """Equal for equal credentials; keeps none. Those inside the URL count too."""
    address = urls.parse(spec.url) if "://" in spec.url else None
    inside = f"{address.username}:{address.password}" if address else ""
    if not spec.secret and inside in ("", ":"):
        return ""
    total = hashlib.sha256(inside.encode())
    for name in sorted(spec.secret):
        total.update(name.encode() + b"\0" + hashlib.sha256(spec.secret[name]).digest())
    return total.hexdigest()


def _of_commit(commit: pygit2.Commit, name: str, tree: GitTree) -> Artifact:
    author = commit.author
    when = datetime.fromtimestamp(author.time, UTC).astimezone(timezone(timedelta(minutes=author.offset)))
    return Artifact(
        str(commit.id), name, tree, f"{author.name} <{author.email}>", commit.message.strip(), when.isoformat()
    )
