"""`Sources`: Git repositories, Helm repositories and registries behind the one ``ports.Fetcher``.

Made by the `app` room, called by delivery and by the families' source controllers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trueup.ports import Artifact, ChartSpec, Spec
from trueup.source import urls
from trueup.source.charts import ChartFetcher
from trueup.source.fetcher import GitFetcher


class Sources:
    """Each spec goes to the fetcher of its kind."""

    def __init__(self, git: GitFetcher, charts: ChartFetcher) -> None:
        self._git, self._charts = git, charts

    async def resolve(self, spec: Spec) -> str:
        """What a spec names now."""
        return await (self._charts.resolve(spec) if isinstance(spec, ChartSpec) else self._git.resolve(spec))

    async def fetch(self, spec: Spec, revision: str = "") -> Artifact:
        """The artifact of a revision."""
        if isinstance(spec, ChartSpec):
            return await self._charts.fetch(spec, revision)
        return await self._git.fetch(spec, revision)

    async def read(self, url: str) -> bytes:
        """What stands at a URL of the web. Nobody's credentials are shown there."""
        return await self._charts.read(url)

    def forget(self, addresses: Iterable[str]) -> None:
        """Ask these remotes anew, whichever kind they are; a registry may be written without its ``oci://``."""
        known = list(addresses)
        self._git.forget(known)
        bare = [f"oci://{url}" for url in known if "://" not in url]
        self._charts.forget({urls.same(url) for url in (*known, *bare)})

    def mapped(self, url: str) -> Path | None:
        """The folder that answers for a URL, if one does."""
        return self._git.mapped(url)

    async def close(self) -> None:
        """End what runs; what was fetched stays."""
        await self._git.close()
        await self._charts.close()
