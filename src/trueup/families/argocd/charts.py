"""A chart of a Helm repository or registry as an Application names it, and what opens its repository. Pure.

Called by `ask.py`. Sources: Argo CD, ``newHelmClientResolveRevision``, ``IsHelmOciRepo``, ``getHelmRepos`` (whose
credentials a chart's dependencies are fetched with), ``helm.valuesFileSchemes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from trueup.delivery.request import Repository
from trueup.families.argocd import secrets
from trueup.families.argocd.types import Source
from trueup.kube.names import Object
from trueup.ports import ChartSpec, SourceProblem

_OCI = "oci://"
_FIELDS = {**secrets.NAMES, "insecure": "insecure", "insecureOCIForceHttp": "plainHTTP"}
_SCHEMES = "helm.valuesFileSchemes"


def is_chart(source: Source) -> bool:
    """Whether a source is no Git repository: a chart, or whatever a registry has."""
    return bool(source.chart) or source.repo.startswith(_OCI)


@dataclass(frozen=True, slots=True)
class Repositories:
    """The Helm repositories and registries that Secrets make known, to the Applications of one project."""

    found: Iterable[Object]
    project: str
    certificates: Object | None

    def spec(self, source: Source, version: str = "") -> ChartSpec:
        """What a source names. A registry's URL is the artifact's own, but people write its folder and the chart, too."""
        known = self.of(source.repo)
        wanted = version or str(source.raw.get("targetRevision") or "")
        passed = bool((source.raw.get("helm") or {}).get("passCredentials"))
        chart = source.chart
        if source.repo.startswith(_OCI) and source.repo.rstrip("/").rpartition("/")[2] == chart:
            chart = ""
        return ChartSpec(known.url, chart, wanted, known.secret, passed)

    def of(self, named: str) -> Repository:
        """By URL, or by the name that a Secret gives it (``@name``). Raises ``SourceProblem``."""
        for sign in ("@", "alias:"):
            if named.startswith(sign):
                data = self._by_name(named.removeprefix(sign))
                if data is None:
                    message = f"no repository definition for {named}: no repository Secret has that name"
                    raise SourceProblem("RepositoryNotFound", message, retry=False)
                return self._repository(secrets.plain(data, "url"), data)
        return self._repository(named, self._by_url(named))

    def _repository(self, named: str, data: Object | None) -> Repository:
        oci = named.startswith(_OCI) or _is_bare(named) or (data is not None and _is_on(data, "enableOCI"))
        url = _OCI + _bare(named) if oci else named
        trusted = secrets.trusted(f"https://{_bare(named)}" if oci else named, None, self.certificates)
        if data is None:
            return Repository(url, trusted)
        return Repository(url, {**trusted, **secrets.credentials(data, url, _FIELDS)})

    def _by_url(self, named: str) -> Object | None:
        for form in dict.fromkeys((named, _bare(named), _OCI + _bare(named))):
            data = secrets.repository_data(self.found, form, self.project)
            if data is not None:
                return data
        return self._of_registry(named) if named.startswith(_OCI) or _is_bare(named) else None

    def _of_registry(self, named: str) -> Object | None:
        """Those of another place in the same registry, one of which is inside the other."""
        wanted = _bare(named)
        for data in self._visible():
            known = _bare(secrets.plain(data, "url"))
            oci = _is_on(data, "enableOCI") or secrets.plain(data, "type") == "oci"
            same_host = known.partition("/")[0] == wanted.partition("/")[0]
            if oci and same_host and (wanted.startswith(known) or known.startswith(wanted)):
                return data
        return None

    def _by_name(self, name: str) -> Object | None:
        return next((data for data in self._visible() if secrets.plain(data, "name") == name), None)

    def _visible(self) -> Iterable[Object]:
        for secret in self.found:
            data = secret.get("data") or {}
            is_one = (secret["metadata"].get("labels") or {}).get(secrets.SECRET_TYPE) == "repository"
            if is_one and secrets.plain(data, "url") and secrets.plain(data, "project") in ("", self.project):
                yield data


def schemes(settings: Object | None) -> tuple[str, ...]:
    """Of the URLs that values files may come from."""
    data: Mapping[str, str] = (settings or {}).get("data") or {}
    if _SCHEMES not in data:
        return ("https", "http")
    return tuple(part.strip().lower() for part in str(data[_SCHEMES]).split(",") if part.strip())


def _is_bare(url: str) -> bool:
    """Registries used to be written without a scheme, and that is how they were known."""
    return "://" not in url and not urlsplit(f"//{url}").username and bool(url)


def _bare(url: str) -> str:
    return url.partition("://")[2].rstrip("/") if "://" in url else url.rstrip("/")


def _is_on(data: Object, name: str) -> bool:
    return secrets.plain(data, name).lower() in ("true", "1", "t")
