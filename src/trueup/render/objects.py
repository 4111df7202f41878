"""Documents -> objects: what every renderer does with what it has read.

Called by `plain`, `jsonnet`, `helm` and `kustomize`. Lists are opened, what is no object is refused with file and line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trueup.kube.documents import Document, YamlProblem, parse
from trueup.kube.names import Object
from trueup.ports import Origin, RenderProblem

Found = tuple[Object, Origin]


def read(data: bytes | str, path: str) -> list[Document]:
    """The documents of a file; a `RenderProblem` names file and line."""
    try:
        return parse(data, path)
    except YamlProblem as problem:
        raise RenderProblem(problem.message, path=path, line=problem.line) from None


def read_manifests(data: bytes | str, path: str) -> list[Document]:
    """The documents of a file of objects: their reader, unlike that of values, gives the last line its end."""
    if isinstance(data, bytes):
        return read(data if data.endswith(b"\n") else data + b"\n", path)
    return read(data if data.endswith("\n") else data + "\n", path)


def objects(value: Any, origin: Origin) -> Iterator[Found]:
    """The object of a document, or those of a ``List``."""
    if value is None:
        return
    missing = what_is_missing(value)
    if missing:
        raise RenderProblem(missing, path=origin.path, line=origin.line)
    items = value.get("items")
    if value["kind"].endswith("List") and isinstance(items, list):
        for item in items:
            yield from objects(item, origin)
    elif value["kind"].endswith("List") and "items" in value and items is None:
        return
    else:
        yield value, origin


def what_is_missing(value: Any) -> str:
    """Why a document is no Kubernetes object; empty if it is one."""
    if not isinstance(value, dict):
        return f"a Kubernetes object is a mapping, this is a {_word(value)}"
    if not isinstance(value.get("kind"), str) or not value["kind"]:
        return "Object 'Kind' is missing"
    if not isinstance(value.get("apiVersion"), str) or not value["apiVersion"]:
        return "Object 'apiVersion' is missing"
    return ""


def _word(value: Any) -> str:
    return "list" if isinstance(value, list) else "text" if isinstance(value, str) else type(value).__name__
