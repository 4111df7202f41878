"""Adds a value at a path, or into a file path that stands there: the ``ValueAddTransformer``. Called by `plugins`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trueup.kustomize.fieldspecs import split_path
from trueup.kustomize.filters.namespaces import move
from trueup.kustomize.filters.paths import places
from trueup.kustomize.merge import wrong_kind
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resources import Resources, Selector
from trueup.kustomize.scalars import text_of


def add_value(resources: Resources, value: str, targets: Iterable[Mapping[str, Any]]) -> None:
    """Puts the value into every target."""
    for target in targets:
        path, position = target.get("fieldPath") or "", int(target.get("filePathPosition") or 0)
        if not path:
            raise KustomizeProblem("fieldPath cannot be empty")
        if position < 0:
            raise KustomizeProblem(f"value of FilePathPosition ({position}) cannot be negative")
        selector = target.get("selector")
        for resource in resources.select(Selector.of(selector)) if selector is not None else list(resources):
            if path == "metadata/namespace":
                move(resource, value)
                continue
            for place in places(resource.body, split_path(path), "scalar"):
                if isinstance(place.value, (dict, list)):
                    raise wrong_kind(place.value, "ScalarNode")
                place.put(_insert(text_of(place.value), position - 1, value) if position else value)


def _insert(path: str, position: int, part: str) -> str:
    """A part at a position of a file path; an absolute path stays absolute."""
    absolute = path.startswith("/")
    parts = [piece for piece in path.split("/") if piece]
    parts.insert(position, part)
    return ("/" if absolute else "") + "/".join(parts)
