"""Kubernetes' built-in kinds, for each version from 1.30 to 1.37: resources, shapes, definitions.

Called by the API server (registry, OpenAPI), by renderers and clients. The data is distilled from the published OpenAPI
definitions by ``scripts/distil_types.py``; the table of resources is written by hand.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

from trueup.kube.names import Kind, Resource
from trueup.kube.reading import Struct, Structs
from trueup.kube.shape_of import shape_of_definition
from trueup.kube.shapes import ANY, Shape
from trueup.kube.types.table import SUBRESOURCE_KINDS, SUBRESOURCE_VERBS, TABLE
from trueup.kube.versions import DEFAULT_VERSION, VERSIONS

__all__ = ["DEFAULT_VERSION", "VERSIONS", "BuiltIn", "Subresource", "Types", "load"]

_RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
VERBS = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})


@dataclass(frozen=True, slots=True)
class Subresource:
    """A part of an object with verbs of its own."""

    kind: Kind
    verbs: frozenset[str]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One served resource of one version."""

    resource: Resource
    kind: Kind
    namespaced: bool
    singular: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    verbs: frozenset[str]
    subresources: Mapping[str, Subresource]
    storage: Resource
    """What all versions of the resource are stored as."""


class Types:
    """The kinds of one Kubernetes version. Definitions are read when they are first asked for."""

    def __init__(self, version: str) -> None:
        if version not in VERSIONS:
            raise ValueError(f"Kubernetes {version} is not known: choose one of {', '.join(VERSIONS)}")
        self.version = version
        self.git_version = f"v{version}.0"
        self.minor = int(version.partition(".")[2])
        self.definitions = _definitions(self.minor)
        self._shapes: dict[str, Shape] = {}
        self._structs = Structs(self.definitions)
        self._names = {
            Kind(gvk["group"], gvk["version"], gvk["kind"]): name
            for name, definition in self.definitions.items()
            for gvk in (definition.get("x-kubernetes-group-version-kind") or ())[:1]
        }
        self.resources: Sequence[BuiltIn] = tuple(self._rows())
        self._by_kind = {row.kind: row for row in self.resources}

    def by_kind(self, kind: Kind) -> BuiltIn | None:
        """The resource that serves a kind."""
        return self._by_kind.get(kind)

    def definition_name(self, kind: Kind) -> str:
        """The name of a kind's definition; empty when it has none."""
        return self._names.get(kind, "")

    def shape(self, kind: Kind) -> Shape:
        """The shape of a kind; ``ANY`` when it is not built in."""
        name = self._names.get(kind)
        return self._named(name) if name else ANY

    def struct(self, kind: Kind) -> Struct | None:
        """How Kubernetes' Go type reads and writes a kind; None when there is none."""
        return self._structs.of(kind) if kind in self._names else None

    def metadata_shape(self) -> Shape:
        """The shape of ``metadata``, which custom kinds share."""
        return self._named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")

    def _named(self, name: str) -> Shape:
        found = self._shapes.get(name)
        if found is None:
            schema = self.definitions[name]
            if name == _RAW:
                schema = {**schema, "x-kubernetes-map-type": "atomic"}  # whoever owns it owns all of it
            if name == _QUANTITY:
                schema = {**schema, "format": "quantity"}  # a number is one, too, whatever its type says
            found = shape_of_definition(schema, self._resolve)
            self._shapes[name] = found
        return found

    def _resolve(self, ref: str) -> Shape:
        return self._named(ref.rpartition("/")[2])

    def _rows(self) -> list[BuiltIn]:
        rows: list[BuiltIn] = []
        stored: dict[tuple[str, str], Resource] = {}
        for group_version, text in TABLE.items():
            for line in filter(None, map(str.strip, text.splitlines())):
                parts = line.split()
                if Kind.parse(group_version, parts[1]) in self._names:
                    rows.append(_row(group_version, parts, stored, self.minor))
        return rows


def _row(group_version: str, parts: list[str], stored: dict[tuple[str, str], Resource], minor: int) -> BuiltIn:
    plural, kind_name, scope, short, categories, subresources, *rest = [*parts, "-", "-"][:7]
    kind = Kind.parse(group_version, kind_name)
    resource = Resource(kind.group, kind.version, plural)
    storage = stored.setdefault((kind.group, plural), resource)
    if resource == Resource("events.k8s.io", "v1", "events"):
        storage = Resource("", "v1", "events")
    return BuiltIn(
        resource=resource,
        kind=kind,
        namespaced=scope == "n",
        singular=kind_name.lower(),
        short_names=_words(short),
        categories=_words(categories),
        verbs=VERBS if rest[0] == "-" else frozenset(rest[0].split(",")),
        subresources=_subresources(plural, kind, subresources, minor),
        storage=storage,
    )


def _subresources(plural: str, kind: Kind, text: str, minor: int) -> dict[str, Subresource]:
    out: dict[str, Subresource] = {}
    for word in _words(text):
        name, _, since = word.partition("@")
        if not since or int(since) <= minor:
            other = SUBRESOURCE_KINDS.get(f"{plural}/{name}") or SUBRESOURCE_KINDS.get(name)
            out[name] = Subresource(Kind(*other) if other else kind, frozenset(SUBRESOURCE_VERBS[name]))
    return out


def _words(text: str) -> tuple[str, ...]:
    return () if text == "-" else tuple(text.split(","))


@lru_cache(maxsize=1)
def _history() -> Mapping[str, list[Any]]:
    packed = resources.files(__package__).joinpath("definitions.json.xz").read_bytes()
    found: Mapping[str, list[Any]] = orjson.loads(lzma.decompress(packed))
    return found


def _definitions(minor: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, history in _history().items():
        current = None
        for since, definition in history:
            if since <= minor:
                current = definition
        if current is not None:
            out[name] = current
    return out


@lru_cache(maxsize=len(VERSIONS))
def load(version: str = DEFAULT_VERSION) -> Types:
    """The built-in kinds of a version. Raises ``ValueError`` naming the versions that there are."""
    return Types(version)
