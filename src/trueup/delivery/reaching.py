"""What a render's thread may fetch while it renders: other repositories, charts, values files. Made by `pipeline`.

The fetcher lives in the event loop; threads wait for it here, bounded, and never see credentials. A host sees those that
the source has for it, and no others.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from trueup.delivery.request import Repository, SourceRequest
from trueup.ports import ChartSpec, Fetcher, GitSpec, SourceProblem, Tree

_PATIENCE = 150.0
"""Seconds that a render waits for another repository: a little more than the fetchers give a remote."""
_HOST = re.compile(r"(?:\w+://)?(?:[^@/]*@)?([^:/]+)")
T = TypeVar("T")


class Reaching:
    """On behalf of one source; asked from threads. Is ``ports.Charts``, too."""

    def __init__(self, fetcher: Fetcher, source: SourceRequest) -> None:
        self._fetcher, self._source = fetcher, source
        self._loop = asyncio.get_running_loop()

    def tree(self, repository: str, ref: str) -> Tree:
        """The files of another Git repository."""
        spec = GitSpec(repository, ref or "HEAD", secret=self._own_secret(repository))
        return self._wait(self._fetcher.fetch(spec), repository).tree

    def read(self, url: str) -> bytes:
        """What stands at a URL of the web."""
        if urlsplit(url).scheme not in self._source.schemes:
            message = f"the URL scheme {urlsplit(url).scheme!r} is not allowed"
            raise SourceProblem("NotAllowed", message, retry=False)
        return self._wait(self._fetcher.read(url), url)

    def repository(self, named: str) -> str:
        """The URL of a Helm repository."""
        return self._known(named).url

    def fetch(self, repository: str, name: str, version: str) -> tuple[str, Tree]:
        """A chart: its version, and its files."""
        known = self._known(repository)
        spec = ChartSpec(known.url, name, version, known.secret, known.pass_credentials)
        artifact = self._wait(self._fetcher.fetch(spec), known.url)
        return artifact.name, artifact.tree

    def _known(self, named: str) -> Repository:
        if self._source.repository is not None:
            return self._source.repository(named)
        if named.startswith(("@", "alias:")):
            raise SourceProblem("RepositoryNotFound", f"no repository definition for {named}", retry=False)
        return Repository(named, self._own_secret(named))

    def _own_secret(self, repository: str) -> Mapping[str, bytes]:
        spec = self._source.spec
        in_the_clear = repository.startswith("http://") and not spec.url.startswith("http://")
        return spec.secret if _host(repository) == _host(spec.url) and not in_the_clear else {}

    def _wait(self, work: Coroutine[Any, Any, T], what: str) -> T:
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result(_PATIENCE)
        except TimeoutError:
            waiting.cancel()
            raise SourceProblem("Timeout", f"{what} was not there within {_PATIENCE:g} seconds") from None


def _host(url: str) -> str:
    found = _HOST.match(url)
    return found[1].lower() if found else ""
