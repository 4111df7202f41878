"""The build environment: what ``$ARGOCD_APP_NAME`` and its like in a source's options stand for. Pure.

Called by `sources.py`. Source: Argo CD user guide, "Build Environment"; ``newEnv``, ``Env.Envsubst`` (Go's ``os.Expand``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from trueup.families.argocd.types import Application, Source

Environment = Mapping[str, str]

_REFERENCE = re.compile(r"\$(?:\{(?P<braced>[^}]*)\}|(?P<open>\{)|(?P<special>[*#$@!?\-0-9])|(?P<plain>[A-Za-z0-9_]+))")
_REVISION = re.compile(r"\$\{?ARGOCD_APP_REVISION")


def of(app: Application, source: Source, instance: str, revision: str) -> dict[str, str]:
    """The variables of one source; ``revision`` is the commit that is rendered."""
    return {
        "ARGOCD_APP_NAME": instance,
        "ARGOCD_APP_NAMESPACE": app.destination.namespace,
        "ARGOCD_APP_PROJECT_NAME": app.project,
        "ARGOCD_APP_REVISION": revision,
        "ARGOCD_APP_REVISION_SHORT": revision[:7],
        "ARGOCD_APP_REVISION_SHORT_8": revision[:8],
        "ARGOCD_APP_SOURCE_REPO_URL": source.repo,
        "ARGOCD_APP_SOURCE_PATH": source.path,
        "ARGOCD_APP_SOURCE_TARGET_REVISION": str(source.raw.get("targetRevision") or ""),
    }


def names_revision(source: Source) -> bool:
    """Whether a source's options can only be read once the commit is known."""
    return bool(_REVISION.search(str(source.raw)))


def expand(text: str, environment: Environment) -> str:
    """``$NAME`` and ``${NAME}``; ``$$`` is a dollar, what nobody knows is nothing."""

    def value(found: re.Match[str]) -> str:
        if found["special"] == "$":
            return "$"
        name = found["braced"] or found["special"] or found["plain"] or ""
        return environment.get(name, "$" if name == "$" else "")

    return _REFERENCE.sub(value, text) if "$" in text else text


def expand_path(text: str, environment: Environment) -> str:
    """A path; its first folder may be the name of another source (``$values/...``), which stays."""
    first, slash, rest = text.partition("/")
    if slash and first.startswith("$") and not first.lstrip("${").startswith("ARGOCD_"):
        return f"{first}/{expand(rest, environment)}"
    return expand(text, environment)
