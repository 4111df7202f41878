"""How Kubernetes' Go types hold a kind: field numbers, pointers, what JSON leaves out. Called by `protobuf` and `reading`.

A kind in, its message out. The facts are distilled from the published Go modules by ``scripts/distil_messages.py``.
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import orjson

from trueup.kube.names import Kind

SCALARS = frozenset({"string", "bytes", "bool", "int32", "int64", "double", "uint32", "uint64", "float"})
META = "k8s.io.apimachinery.pkg.apis.meta.v1."
_PACKAGES = {
    "": "k8s.io.api.core.",
    "internal.apiserver.k8s.io": "k8s.io.api.apiserverinternal.",
    "apiextensions.k8s.io": "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.",
    "apiregistration.k8s.io": "k8s.io.kube_aggregator.pkg.apis.apiregistration.",
    "meta.k8s.io": "k8s.io.apimachinery.pkg.apis.meta.",
}
"""Where a group's messages are, unless in ``k8s.io.api`` under the first part of the group's name."""


class Field:
    """One field of a Go struct."""

    __slots__ = (
        "_message",
        "go",
        "inline",
        "kind",
        "many",
        "name",
        "number",
        "omitempty",
        "omitzero",
        "pointer",
        "scalar",
    )

    def __init__(self, number: int, name: str, kind: str, marks: str, go: str = "") -> None:
        self.number = number
        self.name = name
        self.kind = kind
        """A scalar's name, or a message's."""
        self.scalar = kind in SCALARS
        self.go = go
        """The name of the Go type of a scalar that has one of its own: ``v1.DNSPolicy``."""
        self.many = "list" if "l" in marks else "map" if "m" in marks else ""
        self.pointer = "p" in marks
        self.omitempty = "o" in marks
        self.omitzero = "z" in marks
        self.inline = "i" in marks
        self._message: Message | None = None

    @property
    def message(self) -> Message:
        """What the field holds, when it is no scalar."""
        found = self._message
        if found is None:
            found = self._message = message(self.kind)
        return found


class Message:
    """One Go struct as it stands in protobuf and in JSON."""

    __slots__ = ("_by_name", "by_number", "declared", "fields", "is_list", "name")

    def __init__(self, name: str, rows: list[list[Any]]) -> None:
        self.name = name
        self.declared = tuple(Field(*row) for row in rows)
        """Its fields as the Go struct has them, which is how its JSON has them."""
        self.fields = tuple(sorted(self.declared, key=lambda field: field.number))
        self.by_number: Mapping[int, Field] = {field.number: field for field in self.fields}
        self.is_list = len(rows) == 1 and "a" in rows[0][3]
        """In JSON it is its only field, a list."""
        self._by_name: dict[str, Field] | None = None

    @property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by their JSON names in the order of JSON, those of embedded structs among them."""
        found = self._by_name
        if found is None:
            found = {}
            for field in self.declared:
                if field.inline:
                    found.update(field.message.by_name)
                else:
                    found[field.name] = field
            self._by_name = found
        return found

    @property
    def go_name(self) -> str:
        """``v1.PodSpec``, as Go's errors name it."""
        return ".".join(self.name.rsplit(".", 2)[1:])


def for_kind(kind: Kind) -> Message | None:
    """The message of a kind; None for what Kubernetes has no Go type of."""
    if "." in kind.group and not kind.group.endswith(".k8s.io"):
        return None
    package = _PACKAGES.get(kind.group) or f"k8s.io.api.{kind.group.partition('.')[0]}."
    for name in (f"{package}{kind.version}.{kind.kind}", META + kind.kind):
        if name in _table():
            return message(name)
    return None


def known(name: str) -> Message | None:
    """A message by its full name, where there is such."""
    return message(name) if name in _table() else None


@cache
def message(name: str) -> Message:
    """A message by its full name."""
    return Message(name, _table()[name])


@cache
def _table() -> Mapping[str, list[list[Any]]]:
    packed = resources.files("trueup.kube.types").joinpath("messages.json.xz").read_bytes()
    found: Mapping[str, list[list[Any]]] = orjson.loads(lzma.decompress(packed))
    return found
