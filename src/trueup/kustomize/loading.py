"""The files that one kustomization may read, and the folders it may build on.

Called by `build`, `generators` and `plugins`. A `Loader` stands in one folder of one tree; going to a base makes another.
Paths in messages begin at the root of the tree. Source: kustomize's file loader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.remote import is_raw

_REPOSITORY = re.compile(
    r"(?:git::)?(?:(?:https?|ssh|git|file|s3|oci)://|[\w.+-]+@[\w.-]+:|gh:|github\.com[:/])", re.IGNORECASE
)
_HTTP = re.compile(r"^https?://", re.I)


T = TypeVar("T")


class Files(Protocol):
    """The part of a source tree that is needed here; paths are relative to its root."""

    def read(self, path: str) -> bytes: ...

    def kind(self, path: str) -> Literal["file", "folder", "none"]: ...

    def list(self, path: str) -> Sequence[str]: ...

    def digest(self, path: str) -> str: ...


Remote = Callable[[str], "tuple[Files, str]"]
"""Answers a URL with a tree and the path in it; raises `KustomizeProblem` when it cannot."""
Fetch = Callable[[str], bytes]
"""Answers the URL of a file that is in no repository with its content; raises `KustomizeProblem` when it cannot."""


def is_remote(path: str) -> bool:
    """Whether kustomize takes a path for the address of a repository or of a file elsewhere."""
    return _REPOSITORY.match(path) is not None


def is_remote_file(path: str) -> bool:
    """Whether a path is a URL to load."""
    return bool(_HTTP.match(path))


def join(folder: str, path: str) -> str | None:
    """A clean path below the root of the tree; None when it leads out of it."""
    parts = [] if path.startswith("/") else [part for part in folder.split("/") if part]
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class Loader:
    """One folder to build in, and the folders whose building led here."""

    def __init__(
        self,
        files: Files,
        root: str,
        *,
        restricted: bool = True,
        remote: Remote | None = None,
        fetch: Fetch | None = None,
        parent: Loader | None = None,
        repository: str = "",
    ) -> None:
        self.files, self.root, self.restricted, self.remote = files, root, restricted, remote
        self.fetch, self.parent, self.repository = fetch, parent, repository

    @property
    def shown(self) -> str:
        """The root as messages name it."""
        return f"/{self.root}"

    def path(self, path: str) -> str:
        """The path of a file that may be loaded. Raises `KustomizeProblem`."""
        if is_remote_file(path):
            raise KustomizeProblem(f"the remote file '{path}' cannot be loaded here", path=path)
        if path.startswith("/"):
            raise KustomizeProblem(f"'{path}' doesn't exist", path=path)
        full = join(self.root, path)
        if full is None:
            raise KustomizeProblem(f"security; file '{path}' leads out of the source", path=path)
        try:
            kind = self.files.kind(full)
        except PermissionError as problem:
            raise KustomizeProblem(f"security; {problem}", path=full) from None
        if kind == "none":
            raise KustomizeProblem(f"'/{full}' doesn't exist", path=full)
        if kind == "folder":
            raise KustomizeProblem(f"'/{full}' must resolve to a file", path=full)
        if self.restricted and self.root and not full.startswith(f"{self.root}/"):
            raise KustomizeProblem(f"security; file '/{full}' is not in or below '{self.shown}'", path=full)
        return full

    def load(self, path: str) -> bytes:
        """The content of a file, wherever it is."""
        return self.fetched(path) if is_remote_file(path) else self.read(self.path(path))

    def fetched(self, url: str) -> bytes:
        """The content of a file elsewhere: in a repository that the URL is known to lie in, else at the URL itself."""
        if is_raw(url) and self.remote is not None:
            files, inside = self.remote(url)
            return self._asked(files.read, inside)
        if self.fetch is None:
            raise KustomizeProblem(f"the remote file '{url}' cannot be loaded here", path=url)
        return self.fetch(url)

    def read(self, full: str) -> bytes:
        """The content of a file whose path was checked."""
        return self._asked(self.files.read, full)

    def digest(self, full: str) -> str:
        """What its content is known by."""
        return self._asked(self.files.digest, full)

    def _asked(self, question: Callable[[str], T], full: str) -> T:
        try:
            return question(full)
        except (FileNotFoundError, PermissionError, IsADirectoryError) as problem:
            raise KustomizeProblem(str(problem), path=full) from None

    def enter(self, path: str) -> Loader:
        """A loader in another folder, given from here. Raises `KustomizeProblem` when it is none, or leads in a circle."""
        if not path:
            raise KustomizeProblem("new root cannot be empty")
        if is_remote(path):
            return self._enter_remote(path)
        if path.startswith("/"):
            raise KustomizeProblem(f"new root '{path}' cannot be absolute")
        full = join(self.root, path)
        if full is None:
            raise KustomizeProblem(f"must build at directory: '{path}' leads out of the source", path=path)
        confirm_folder(self.files, full, "must build at directory")
        loader: Loader | None = self
        while loader is not None:
            if loader.files is self.files and _below(loader.root, full):
                raise KustomizeProblem(
                    f"cycle detected: candidate root '/{full}' contains visited root '{loader.shown}'", path=full
                )
            loader = loader.parent
        return Loader(
            self.files,
            full,
            restricted=self.restricted,
            remote=self.remote,
            fetch=self.fetch,
            parent=self,
            repository=self.repository,
        )

    def _enter_remote(self, url: str) -> Loader:
        loader: Loader | None = self
        while loader is not None:
            if loader.repository and loader.repository.startswith(url):
                raise KustomizeProblem(f"cycle detected: URI '{url}' referenced by previous URI '{loader.repository}'")
            loader = loader.parent
        if self.remote is None:
            raise KustomizeProblem(
                f"the remote base '{url}' cannot be had: remote bases are not fetched here", path=url
            )
        files, path = self.remote(url)
        confirm_folder(files, path, "must build at directory")
        return Loader(files, path.strip("/"), remote=self.remote, fetch=self.fetch, parent=self, repository=url)


def _below(path: str, folder: str) -> bool:
    """Whether a path is a folder or in it."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def confirm_folder(files: Files, path: str, prefix: str) -> None:
    """Raises `KustomizeProblem` unless a folder stands at a path."""
    try:
        kind = files.kind(path)
    except PermissionError as problem:
        raise KustomizeProblem(f"{prefix}: {problem}", path=path) from None
    if kind == "none":
        raise KustomizeProblem(f"{prefix}: not a valid directory: '/{path}' doesn't exist", path=path)
    if kind == "file":
        raise KustomizeProblem(f"{prefix}: '/{path}': file is not directory", path=path)
