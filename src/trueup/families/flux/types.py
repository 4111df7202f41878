"""The values that Flux's specs hold, parsed at the door. Pure.

`reconcile.py` parses an object once per run; unknown fields stay in the object and survive.
Source: Flux documentation, GitRepository (source.toolkit.fluxcd.io/v1) and Kustomization (kustomize.toolkit.fluxcd.io/v1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueup.kube.names import Key, Kind, Object, Ref
from trueup.ports import GitSpec
from trueup.timing.durations import parse_duration

GIT_REPOSITORY = Kind("source.toolkit.fluxcd.io", "v1", "GitRepository")
EXTERNAL_ARTIFACT = Kind("source.toolkit.fluxcd.io", "v1", "ExternalArtifact")
GENERATOR = Kind("source.extensions.fluxcd.io", "v1beta1", "ArtifactGenerator")
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")

RECONCILE_AT = "reconcile.fluxcd.io/requestedAt"
FORCE_AT = "reconcile.fluxcd.io/forceAt"
RECONCILE_ANNOTATION = "kustomize.toolkit.fluxcd.io/reconcile"
PRUNE = "kustomize.toolkit.fluxcd.io/prune"
SSA = "kustomize.toolkit.fluxcd.io/ssa"
DECRYPT = "kustomize.toolkit.fluxcd.io/decrypt"
FORCE = "kustomize.toolkit.fluxcd.io/force"
SUBSTITUTE = "kustomize.toolkit.fluxcd.io/substitute"
OWNER_NAME = "kustomize.toolkit.fluxcd.io/name"
OWNER_NAMESPACE = "kustomize.toolkit.fluxcd.io/namespace"
FINALIZER = "finalizers.fluxcd.io"
DEFAULT_NAMESPACE = "trueup.dev/default-namespace"
"""An annotation: what `trueup up` begins with is taken as `kubectl apply -k` would take it."""
MANAGER = "kustomize-controller"


@dataclass(frozen=True, slots=True)
class GitRepository:
    """A GitRepository's wishes. Durations in seconds."""

    raw: Object
    key: Key
    url: str
    interval: float
    timeout: float
    suspend: bool
    secret: str

    @classmethod
    def parse(cls, raw: Object) -> GitRepository:
        spec = raw.get("spec") or {}
        return cls(
            raw=raw,
            key=Key.of(raw),
            url=str(spec.get("url") or ""),
            interval=parse_duration(spec.get("interval") or "10m"),
            timeout=parse_duration(spec.get("timeout") or "60s"),
            suspend=bool(spec.get("suspend")),
            secret=str((spec.get("secretRef") or {}).get("name") or ""),
        )

    def git_spec(self, secret: Mapping[str, bytes]) -> GitSpec:
        """Commit before name before semver before tag before branch; ``master`` when nothing is named, as Flux has it."""
        ref = (self.raw.get("spec") or {}).get("ref") or {}
        if ref.get("semver") and not ref.get("commit") and not ref.get("name"):
            return GitSpec(self.url, semver=str(ref["semver"]), secret=secret)
        named = ref.get("commit") or ref.get("name") or ref.get("tag") or ref.get("branch") or "master"
        return GitSpec(self.url, ref=str(named), secret=secret)


@dataclass(frozen=True, slots=True)
class Kustomization:
    """A Kustomization's wishes. Durations in seconds."""

    raw: Object
    key: Key
    source: Ref
    path: str
    prune: bool
    wait: bool
    force: bool
    suspend: bool
    interval: float
    retry_interval: float
    timeout: float
    target_namespace: str
    default_namespace: str
    """Where objects that name no namespace go; empty: nowhere, as in Flux."""
    depends_on: Sequence[Key]
    ready_when: Mapping[Key, str]
    """Expressions that say when a dependency is ready, in place of its Ready condition."""
    health_checks: Sequence[Ref]
    deletion_policy: str
    account: str
    """The service account to act as; empty: trueup itself."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec as written, for what is handed on whole (patches, images, postBuild)."""
        return self.raw.get("spec") or {}

    @classmethod
    def parse(cls, raw: Object) -> Kustomization:
        spec, key = raw.get("spec") or {}, Key.of(raw)
        source = spec.get("sourceRef") or {}
        interval = parse_duration(spec.get("interval") or "10m")
        return cls(
            raw=raw,
            key=key,
            source=Ref(
                source_kind(str(source.get("kind") or "")),
                str(source.get("namespace") or key.namespace),
                str(source.get("name") or ""),
            ),
            path=clean_path(str(spec.get("path") or "")),
            prune=bool(spec.get("prune")),
            wait=bool(spec.get("wait")),
            force=bool(spec.get("force")),
            suspend=bool(spec.get("suspend")),
            interval=interval,
            retry_interval=parse_duration(spec["retryInterval"]) if spec.get("retryInterval") else interval,
            timeout=max(parse_duration(spec["timeout"]) if spec.get("timeout") else interval - 30.0, 30.0),
            target_namespace=str(spec.get("targetNamespace") or ""),
            default_namespace=str(spec.get("targetNamespace") or _annotations(raw).get(DEFAULT_NAMESPACE) or ""),
            depends_on=tuple(
                Key(str(entry.get("namespace") or key.namespace), str(entry.get("name") or ""))
                for entry in spec.get("dependsOn") or ()
            ),
            ready_when={
                Key(str(entry.get("namespace") or key.namespace), str(entry.get("name") or "")): str(entry["readyExpr"])
                for entry in spec.get("dependsOn") or ()
                if entry.get("readyExpr")
            },
            health_checks=tuple(
                Ref(
                    Kind.parse(str(check.get("apiVersion") or "apps/v1"), str(check.get("kind") or "")),
                    str(check.get("namespace") or ""),
                    str(check.get("name") or ""),
                )
                for check in spec.get("healthChecks") or ()
            ),
            deletion_policy=str(spec.get("deletionPolicy") or "MirrorPrune"),
            account=str(spec.get("serviceAccountName") or ""),
        )


def _annotations(raw: Object) -> Mapping[str, str]:
    return (raw.get("metadata") or {}).get("annotations") or {}


def source_kind(kind: str) -> Kind:
    """The kind that a ``sourceRef`` means; all of Flux's sources share one group."""
    return Kind("source.toolkit.fluxcd.io", "v1", kind)


def clean_path(path: str) -> str:
    """``./apps/`` to ``apps``; the root is ``""``. A path never leaves the artifact, as Flux joins it securely."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
