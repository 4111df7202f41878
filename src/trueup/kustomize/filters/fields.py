"""Walks a field spec's path through an object, through every list on the way, and calls back for what stands at its end.

Called by the other filters. Source: kustomize's ``fieldspec`` filter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from trueup.kustomize.fieldspecs import FieldSpec, Specs
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resource import Resource
from trueup.kustomize.scalars import is_null

Setter = Callable[[Any, Any], None]
"""Called with a collection and the key or index in it."""
Made = Literal["map", "scalar", None]


def apply(resource: Resource, specs: Specs, setter: Setter, make: Made = None) -> None:
    """Calls ``setter`` for each field that one of the specs names; missing ones are made where the spec says so."""
    gvk = resource.gvk
    for spec in specs:
        if spec.gvk.selects(gvk):
            apply_one(resource, spec, setter, make)


def apply_one(resource: Resource, spec: FieldSpec, setter: Setter, make: Made = None) -> None:
    """The same for one spec that is known to fit."""
    try:
        _walk(resource.body, spec.parts, 0, setter, make if spec.create else None)
    except KustomizeProblem as problem:
        raise problem.under(f"considering field '{spec.path}' of object {resource.id}") from None


def _walk(node: Any, path: tuple[str, ...], at: int, setter: Setter, make: Made) -> None:
    if isinstance(node, dict):
        _in_map(node, path, at, setter, make)
    elif isinstance(node, list):
        try:
            for index in range(len(node)):
                _walk(node[index], path, at, setter, make)
        except KustomizeProblem as problem:
            raise problem.under(f"visit traversal on path: [{' '.join(path[at:])}]") from None
    elif not is_null(node):
        raise KustomizeProblem("expected sequence or mapping node")


def _in_map(node: dict[str, Any], path: tuple[str, ...], at: int, setter: Setter, make: Made) -> None:
    part = path[at]
    is_list = part.endswith("[]")
    name = part[:-2] if is_list else part
    if not name:
        raise KustomizeProblem("cannot set or create an empty field name")
    last = at == len(path) - 1
    creating = make is not None and not is_list
    if name not in node:
        if not creating:
            return
        node[name] = {} if make == "map" or not last else ""
    elif is_null(node[name]):
        if is_list:
            node[name] = []
        elif creating:
            node[name] = {} if make == "map" or not last else ""
    if last:
        _set(node, name, setter)
    else:
        _walk(node[name], path, at + 1, setter, make)


def _set(node: dict[str, Any], name: str, setter: Setter) -> None:
    setter(node, name)
