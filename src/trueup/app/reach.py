"""What a command may fetch while it renders a folder: other repositories, charts, files of the web. Nobody's credentials.

Made by `folder`. A command has nothing else to wait for, so each question is a small event loop of its own. What was fetched
is kept in the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trueup.ports import ChartSpec, GitSpec, SourceProblem, Tree
from trueup.render.outside import Outside

if TYPE_CHECKING:
    from trueup.source.charts import ChartFetcher

T = TypeVar("T")


class Reach:
    """Is ``ports.Charts``, too. ``mapping`` answers URLs from local folders."""

    def __init__(self, mapping: Mapping[str, Path]) -> None:
        self._mapping = mapping
        self._home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trueup"

    @property
    def outside(self) -> Outside:
        """As renderers ask."""
        return Outside(remote=self.tree, charts=self, urls=self.read)

    def tree(self, repository: str, ref: str) -> Tree:
        """The files of a Git repository."""
        from trueup.runtime.clock import SystemClock
        from trueup.source.fetcher import GitFetcher

        async def fetched() -> Tree:
            fetcher = GitFetcher(self._home / "git", clock=SystemClock(), mapping=self._mapping)
            try:
                return (await fetcher.fetch(GitSpec(repository, ref or "HEAD"))).tree
            finally:
                await fetcher.close()

        return _run(fetched())

    def repository(self, named: str) -> str:
        """URLs as they are: the names of repositories are another program's settings."""
        if named.startswith(("@", "alias:")):
            message = f"no repository definition for {named}: write its URL"
            raise SourceProblem("RepositoryNotFound", message, retry=False)
        return named

    def fetch(self, repository: str, name: str, version: str) -> tuple[str, Tree]:
        """A chart: its version, and its files."""
        artifact = _run(self._charts().fetch(ChartSpec(self.repository(repository), name, version)))
        return artifact.name, artifact.tree

    def read(self, url: str) -> bytes:
        """A file of the web."""
        return _run(self._charts().read(url))

    def _charts(self) -> ChartFetcher:
        from trueup.runtime.clock import SystemClock
        from trueup.source.charts import ChartFetcher

        return ChartFetcher(self._home / "charts", clock=SystemClock(), mapping=self._mapping)


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio  # most renders ask for nothing, and a command takes as long as what it loads

    return asyncio.run(work)
