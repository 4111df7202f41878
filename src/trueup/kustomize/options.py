"""What a caller may say about a build, and what a build gives back. Read by `build` and everybody who calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueup.kube.names import Object
from trueup.kustomize.loading import Fetch, Files, Remote
from trueup.kustomize.reading import Cache


@dataclass(frozen=True, slots=True)
class HelmChart:
    """A chart that a kustomization asks for: ``chart`` has the fields of ``helmCharts``, ``globals`` of ``helmGlobals``;
    their paths are relative to ``root`` in ``files``."""

    files: Files
    root: str
    chart: Mapping[str, Any]
    globals: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """``restrict``: files outside of a kustomization's own folder are refused (Flux allows them within its source).
    ``order``: ``legacy`` sorts the output by kind where the kustomization does not say, as ``kustomize build`` does (and so
    Argo CD); ``none`` leaves the order of the files, as Flux does.
    """

    restrict: bool = True
    order: str = "legacy"
    helm: Callable[[HelmChart], bytes] | None = None
    """Renders a chart to YAML; absent, charts are refused."""
    remote: Remote | None = None
    """Answers the URL of a remote base or file with a tree; absent, they are refused."""
    fetch: Fetch | None = None
    """Answers the URL of a file that is in no repository; absent, such files are refused."""
    managed_by_label: bool = False
    add_schemas: bool = False
    """The schema that the outermost kustomization names adds to the built-in one, as with Flux, instead of replacing it."""
    empty_allowed: bool = False
    """The outermost kustomization may say nothing, as with Flux."""
    documents: Cache | None = None
    """Parsed files by digest, shared between builds."""


@dataclass(slots=True)
class Built:
    """``objects`` and ``origins`` (the file and line each object stands in, or the kustomization that made it) in parallel."""

    objects: list[Object]
    origins: list[tuple[str, int]]
    warnings: list[str] = field(default_factory=list)
