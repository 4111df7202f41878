"""The values that an Application's spec and annotations hold, parsed at the door. Pure.

`reconcile.py` parses an object once per run; unknown fields stay in the object and survive.
Source: Argo CD, `Application` specification (argoproj.io/v1alpha1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.kube.names import Kind, Object

APPLICATION = Kind("argoproj.io", "v1alpha1", "Application")
PROJECT = Kind("argoproj.io", "v1alpha1", "AppProject")
APPLICATION_SET = Kind("argoproj.io", "v1alpha1", "ApplicationSet")

REFRESH = "argocd.argoproj.io/refresh"
SKIP = "argocd.argoproj.io/skip-reconcile"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
SYNC_WAVE = "argocd.argoproj.io/sync-wave"
COMPARE_OPTIONS = "argocd.argoproj.io/compare-options"
HOOK = "argocd.argoproj.io/hook"
HOOK_DELETE_POLICY = "argocd.argoproj.io/hook-delete-policy"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
CASCADE = (FINALIZER, f"{FINALIZER}/foreground", f"{FINALIZER}/background")
PRE_DELETE = ("pre-delete-finalizer.argocd.argoproj.io", "pre-delete-finalizer.argocd.argoproj.io/cleanup")
POST_DELETE = ("post-delete-finalizer.argocd.argoproj.io", "post-delete-finalizer.argocd.argoproj.io/cleanup")
"""Held while the sources have hooks for the Application's deletion."""

HOME = "argocd"
"""The namespace of the controllers: Applications in it go by their bare name in tracking ids, projects and repositories'
Secrets are read from it."""

IN_CLUSTER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of ``spec.source`` or ``spec.sources``; ``raw`` is the entry as it was written."""

    raw: Mapping[str, Any]
    repo: str
    path: str
    revision: str
    chart: str = ""
    ref: str = ""

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Source:
        return cls(
            raw=raw,
            repo=str(raw.get("repoURL") or ""),
            path=str(raw.get("path") or ""),
            revision=str(raw.get("targetRevision") or "HEAD"),
            chart=str(raw.get("chart") or ""),
            ref=str(raw.get("ref") or ""),
        )


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to: a cluster by ``server`` URL or by ``name``, and the namespace of objects that name none."""

    server: str = ""
    name: str = ""
    namespace: str = ""

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Destination:
        return cls(str(raw.get("server") or ""), str(raw.get("name") or ""), str(raw.get("namespace") or ""))

    @property
    def in_cluster(self) -> bool:
        """Whether it is the cluster that holds the Application."""
        return self.server.rstrip("/") == IN_CLUSTER or (not self.server and self.name == "in-cluster")


@dataclass(frozen=True, slots=True)
class Automated:
    """``syncPolicy.automated``: present and enabled."""

    prune: bool = False
    self_heal: bool = False
    allow_empty: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """``spec.syncPolicy``."""

    automated: Automated | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """Sync options by name: ``{"CreateNamespace": "true"}``."""
    retry: Mapping[str, Any] | None = None
    namespace_metadata: Mapping[str, Any] | None = None
    """``managedNamespaceMetadata``: labels and annotations of the destination's namespace."""

    def on(self, option: str) -> bool:
        """Whether an option is set to true."""
        return self.options.get(option) == "true"


@dataclass(frozen=True, slots=True)
class Application:
    """An Application's wishes. ``raw`` is the whole object, read-only."""

    raw: Object
    namespace: str
    name: str
    project: str
    sources: Sequence[Source]
    several: bool
    """Whether it is written with ``sources``: status then speaks in plural fields."""
    destination: Destination
    policy: Policy
    ignore: Sequence[Mapping[str, Any]]
    history_limit: int

    @classmethod
    def parse(cls, raw: Object) -> Application:
        meta, spec = raw.get("metadata") or {}, raw.get("spec") or {}
        several = bool(spec.get("sources"))
        entries = spec.get("sources") if several else [spec["source"]] if spec.get("source") else []
        limit = spec.get("revisionHistoryLimit")
        return cls(
            raw=raw,
            namespace=str(meta.get("namespace") or ""),
            name=str(meta.get("name") or ""),
            project=str(spec.get("project") or "default"),
            sources=tuple(Source.parse(entry) for entry in entries or ()),
            several=several,
            destination=Destination.parse(spec.get("destination") or {}),
            policy=parse_policy(spec.get("syncPolicy") or {}),
            ignore=tuple(spec.get("ignoreDifferences") or ()),
            history_limit=10 if limit is None else int(limit),
        )


def parse_policy(raw: Mapping[str, Any]) -> Policy:
    """``automated`` counts when it is there and not switched off by ``enabled: false``."""
    automated = raw.get("automated")
    return Policy(
        automated=None
        if automated is None or automated.get("enabled") is False
        else Automated(
            prune=bool(automated.get("prune")),
            self_heal=bool(automated.get("selfHeal")),
            allow_empty=bool(automated.get("allowEmpty")),
        ),
        options=parse_options(raw.get("syncOptions") or ()),
        retry=raw.get("retry"),
        namespace_metadata=raw.get("managedNamespaceMetadata"),
    )


def parse_options(options: Sequence[str]) -> dict[str, str]:
    """``["Prune=false", "Force"]`` to ``{"Prune": "false", "Force": "true"}``; the last of a name wins."""
    parsed: dict[str, str] = {}
    for option in options:
        name, equals, value = str(option).strip().partition("=")
        if name:
            parsed[name.strip()] = value.strip() if equals else "true"
    return parsed
