"""``--map URL=DIR``: repositories that are answered from this machine, at no network's cost.

Called by `fetcher`. A folder may be a bare repository, a working tree (its commits, not its dirty files), a folder
inside a working tree (that folder at each commit is the whole repository), or no repository at all (its present files,
whose digest is the revision).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pygit2

from trueup.ports import GitSpec, SourceProblem
from trueup.source import urls
from trueup.source.refs import Named, Refs, named


class Mapped:
    """One folder that stands for a URL."""

    def __init__(self, repository: pygit2.Repository, folder: str = "") -> None:
        self.repository, self.folder = repository, folder

    def named(self, spec: GitSpec) -> Named:
        """The commit of a spec. In a folder inside another repository a foreign ref name stands for HEAD: its branches
        and tags are not those of the repository that it plays."""
        refs = refs_of(self.repository)
        try:
            found = named(spec, refs)
        except SourceProblem:
            if not self.folder or "HEAD" not in refs.commits:
                raise
            return Named(refs.commits["HEAD"], spec.ref)
        try:
            return Named(str(self.repository.revparse_single(found.commit).peel(pygit2.Commit).id), found.name)
        except (KeyError, pygit2.GitError, ValueError):
            raise SourceProblem("RevisionNotFound", f"no commit {found.commit!r} in the repository") from None

    def tree(self, revision: str) -> pygit2.Oid:
        """The id of the tree that a revision is."""
        try:
            root = self.repository.revparse_single(revision).peel(pygit2.Tree)
            found = root[self.folder] if self.folder else root
        except (KeyError, pygit2.GitError, ValueError):
            raise SourceProblem("RevisionNotFound", f"no commit {revision!r} with a folder {self.folder!r}") from None
        return found.id


class Snapshot:
    """A plain folder: its files are written into a bare repository of trueup's own, so that a render reads one state."""

    def __init__(self, repository: pygit2.Repository, folder: Path) -> None:
        self.repository, self._folder = repository, folder
        self._blobs: dict[str, tuple[tuple[int, int, int], pygit2.Oid]] = {}

    def named(self, spec: GitSpec) -> Named:
        """The digest of the present files, whatever ref was asked for."""
        try:
            return Named(str(self._write(str(self._folder))), "" if spec.ref == "HEAD" else spec.ref)
        except OSError as problem:
            raise SourceProblem("FolderNotReadable", f"{self._folder}: {problem.strerror}") from None

    def tree(self, revision: str) -> pygit2.Oid:
        if revision not in self.repository:
            raise SourceProblem("RevisionNotFound", f"{self._folder} no longer has the state {revision!r}")
        return pygit2.Oid(hex=revision)

    def _write(self, folder: str) -> pygit2.Oid:
        builder = self.repository.TreeBuilder()
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    self._insert(builder, entry)
                except FileNotFoundError:
                    continue  # gone since it was listed
        return builder.write()

    def _insert(self, builder: pygit2.TreeBuilder, entry: os.DirEntry[str]) -> None:
        if entry.name == ".git":
            return
        if entry.is_symlink():
            builder.insert(entry.name, self.repository.create_blob(os.fsencode(os.readlink(entry.path))), 0o120000)
        elif entry.is_dir():
            if not hides_itself(entry.path):
                builder.insert(entry.name, self._write(entry.path), 0o040000)
        elif stat.S_ISREG(entry.stat().st_mode):
            builder.insert(entry.name, self._blob(entry), 0o100644)

    def _blob(self, entry: os.DirEntry[str]) -> pygit2.Oid:
        found = entry.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        known = self._blobs.get(entry.path)
        if known is None or known[0] != stamp:
            known = self._blobs[entry.path] = (stamp, self.repository.create_blob_fromdisk(entry.path))
        return known[1]


def hides_itself(folder: str) -> bool:
    """Whether a folder says that nothing in it belongs to any repository: its own ``.gitignore`` is ``*``, as that of trueup's
    state, of virtual environments and of caches. One that stands in what it is brought up from must not be taken for news."""
    try:
        with open(os.path.join(folder, ".gitignore"), "rb") as file:
            return file.read(64).strip() == b"*"
    except OSError:
        return False


pygit2.settings.owner_validation = False
"""Another user's repository may be read: nothing of it is executed, and containers mount what others own."""


def open_folder(folder: Path) -> Mapped | None:
    """The repository that a folder is, or is part of; None for plain files."""
    folder = folder.resolve()
    if not folder.is_dir():
        raise SourceProblem("FolderNotReadable", f"{folder}: no such folder")
    found = repository_of(folder)
    if found is not None:
        repository = pygit2.Repository(str(found))
        if repository.is_bare or repository.workdir is None:
            return Mapped(repository)
        inside = os.path.relpath(folder, os.path.realpath(repository.workdir))
        if inside == ".":
            return Mapped(repository)
        if not inside.startswith("..") and _holds(repository, inside):
            return Mapped(repository, inside.replace(os.sep, "/"))
    return None


def repository_of(folder: Path) -> Path | None:
    """The Git folder of the repository that a folder is (in); None for one in none.

    By hand: ``pygit2.discover_repository`` answers a None that it does not own, and enough of those end the interpreter.
    """
    for at in (folder, *folder.parents):
        git = at / ".git"
        if git.is_file():  # of a linked worktree or a submodule
            git = (at / git.read_text().partition("gitdir:")[2].strip()).resolve()
        for found in (git, at):
            if _is_git(found):
                return found
    return None


def _is_git(folder: Path) -> bool:
    shared = folder / "commondir"
    return (folder / "HEAD").is_file() and (
        shared.is_file() or ((folder / "objects").is_dir() and (folder / "refs").is_dir())
    )


def _holds(repository: pygit2.Repository, inside: str) -> bool:
    """Whether the repository's HEAD has the folder; one that it ignores or has not committed is no part of it."""
    if repository.head_is_unborn:
        return False
    try:
        repository.revparse_single("HEAD").peel(pygit2.Tree)[inside]
    except KeyError:
        return False
    return True


def refs_of(repository: pygit2.Repository) -> Refs:
    """The refs of a local repository, as a remote would tell them."""
    commits: dict[str, str] = {}
    for name in repository.references:
        try:
            commits[name] = str(repository.references[name].peel(pygit2.Commit).id)
        except (pygit2.GitError, KeyError):
            continue  # a tag of a blob, a dangling symbolic ref: nothing that could be delivered
    head = ""
    if not repository.head_is_unborn:
        commits["HEAD"] = str(repository.head.peel(pygit2.Commit).id)
        head = repository.head.name if repository.head.name != "HEAD" else ""
    return Refs(commits, head)


def by_url(mapping: Mapping[str, Path]) -> dict[str, Path]:
    """The mapping by repository, however its URL is written."""
    return {urls.same(url): folder for url, folder in mapping.items()}
