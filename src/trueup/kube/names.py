"""Groups, versions, kinds, resources and object references: parse and print.

Called by every room. Values in, values out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as JSON has it: nested dicts, lists, strings, numbers, booleans, None."""


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """A group, version and kind, e.g. ``apps``, ``v1``, ``Deployment``; the core group is ``""``."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def of(cls, obj: Object) -> Kind:
        """The kind that an object says it is; missing fields come out as empty strings."""
        return cls.parse(str(obj.get("apiVersion") or ""), str(obj.get("kind") or ""))

    @classmethod
    def parse(cls, api_version: str, kind: str) -> Kind:
        """From ``apps/v1`` and ``Deployment``."""
        known = _KINDS.get((api_version, kind))
        if known is None:
            group, _, version = api_version.rpartition("/")
            if len(_KINDS) >= _MOST_KINDS:
                _KINDS.clear()
            known = _KINDS[api_version, kind] = cls(group, version, kind)
        return known

    def __str__(self) -> str:
        return f"{self.api_version}/{self.kind}"


_KINDS: dict[tuple[str, str], Kind] = {}
"""Kinds parsed before: every object that passes is asked for its kind many times, and there are few."""
_MOST_KINDS = 10_000
"""What objects call themselves is theirs to choose."""


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A group, version and plural resource name as it stands in a URL, e.g. ``apps``, ``v1``, ``deployments``."""

    group: str
    version: str
    name: str

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1`` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """``deployments.apps``, or ``pods`` in the core group: how Kubernetes names it in messages."""
        return f"{self.name}.{self.group}" if self.group else self.name

    def __str__(self) -> str:
        return f"{self.api_version}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One object by kind, namespace (``""`` when cluster-scoped) and name."""

    kind: Kind
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> Ref:
        """The reference to an object, by its own metadata."""
        meta = obj.get("metadata") or {}
        return cls(Kind.of(obj), meta.get("namespace") or "", meta.get("name") or "")

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        group = f".{self.kind.group}" if self.kind.group else ""
        return f"{self.kind.kind}{group} {where}{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Namespace and name: all that a reconcile request carries."""

    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> Key:
        """The key of an object, by its own metadata."""
        meta = obj.get("metadata") or {}
        return cls(meta.get("namespace") or "", meta.get("name") or "")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def version_rank(version: str) -> tuple[int, int, int, str]:
    """v2 before v1 before v1beta1 before v1alpha1. Source: apimachinery ``version.CompareKubeAwareVersionStrings``."""
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if found is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0), version)
