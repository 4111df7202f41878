"""Dotted paths with list selectors, as replacements and vars use them: ``spec.containers.[name=web].image``.

Called by `filters.replacements` and `filters.variables`. Source: kyaml's ``PathGetter``, ``PathMatcher`` and
``SmarterPathSplitter``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from trueup.kube.documents import YamlProblem
from trueup.kube.documents import parse as parse_documents
from trueup.kustomize.fieldspecs import split_path
from trueup.kustomize.merge import ABSENT, wrong_kind
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resources import expression
from trueup.kustomize.scalars import DIALECT, is_null, plain, text_of

_INDEX = re.compile(r"\d+")


@lru_cache(maxsize=4096)
def split(path: str) -> tuple[str, ...]:
    """The parts of a dotted path; what stands in brackets is one part, without them unless it holds ``=``."""
    out: list[str] = []
    pieces = list(split_path(path, "."))
    while pieces:
        piece = pieces.pop(0)
        if piece.startswith("[") and not piece.endswith("]"):
            while pieces:
                piece += "." + pieces.pop(0)
                if piece.endswith("]"):
                    break
            if "=" not in piece:
                piece = piece.strip("[]")
        out.append(piece)
    return tuple(out)


def _is_list_index(part: str) -> bool:
    return part.startswith("[") and part.endswith("]")


def _name_value(part: str) -> tuple[str, str]:
    name, equals, value = part.removesuffix("]").removeprefix("[").partition("=")
    if not equals:
        raise KustomizeProblem("list path element must contain fieldName=fieldValue for element to match")
    return name, value


def lookup(node: Any, path: Sequence[str]) -> Any:
    """The value at a path, `merge.ABSENT` when there is none."""
    for part in path:
        part = part.strip()
        if not part:
            continue
        node = _step(node, part)
        if node is ABSENT:
            return ABSENT
    return node


def _step(node: Any, part: str) -> Any:
    if _INDEX.fullmatch(part) or part == "-":
        if is_null(node):
            return ABSENT
        if not isinstance(node, list):
            raise wrong_kind(node, "SequenceNode")
        at = len(node) - 1 if part == "-" else int(part)
        return node[at] if 0 <= at < len(node) else ABSENT
    if part == "*":
        raise KustomizeProblem("wildcard is not supported in PathGetter")
    if _is_list_index(part):
        name, value = _name_value(part)
        if is_null(node):
            return ABSENT
        if not isinstance(node, list):
            raise wrong_kind(node, "SequenceNode")
        return next((item for item in node if _is_element(item, name, value)), ABSENT)
    if is_null(node):
        return ABSENT
    if not isinstance(node, dict):
        raise wrong_kind(node, "MappingNode")
    return node.get(part, ABSENT)


def _is_element(item: Any, name: str, value: str) -> bool:
    if not name:
        return not isinstance(item, (dict, list)) and text_of(item) == value
    return isinstance(item, dict) and name in item and text_of(item[name]) == value


# --- every place that a path names -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Place:
    """Where a value stands. ``fresh``: it was just made, so it takes any type."""

    holder: Any
    key: Any
    fresh: bool = False

    @property
    def value(self) -> Any:
        """What stands there."""
        return self.holder[self.key]

    def put(self, value: Any) -> None:
        """Puts a value there."""
        self.holder[self.key] = value


def places(root: Any, path: Sequence[str], create: str = "") -> list[Place]:
    """All places that a path names. ``create``: the kind (``map``, ``list``, ``scalar``) of what is made where it is missing."""
    return _match(Place([root], 0), tuple(path), create)


def _match(place: Place, path: tuple[str, ...], create: str) -> list[Place]:
    if not path:
        return [place]
    part, rest = path[0], path[1:]
    if _INDEX.fullmatch(part):
        return _by_index(place, int(part), rest, create)
    if _is_list_index(part):
        return _by_value(place, part, rest, create)
    if part == "*":
        items = _items(place)
        return [found for at in range(len(items)) for found in _match(Place(items, at), rest, create)]
    return _by_field(place, part, rest, create)


def _items(place: Place) -> list[Any]:
    value = place.value
    if is_null(value):
        return []
    if not isinstance(value, list):
        raise wrong_kind(value, "SequenceNode")
    return value


def _blank(rest: tuple[str, ...], create: str) -> Any:
    """What a missing part is made as, by what follows it."""
    if not rest:
        return {} if create == "map" else [] if create == "list" else ""
    return [] if _is_list_index(rest[0]) or _INDEX.fullmatch(rest[0]) else {}


def _by_field(place: Place, part: str, rest: tuple[str, ...], create: str) -> list[Place]:
    value = place.value
    if is_null(value):
        return []
    if not isinstance(value, dict):
        raise wrong_kind(value, "MappingNode")
    fresh = False
    if part not in value:
        if not create:
            return []
        value[part] = _blank(rest, create)
        fresh = True
    if rest and not isinstance(value[part], (dict, list)) and not is_null(value[part]):
        return _inside_text(text_of(value[part]), rest, create)
    return _match(Place(value, part, fresh), rest, create)


def _inside_text(text: str, rest: tuple[str, ...], create: str) -> list[Place]:
    """Places in the structure that a text holds; what is written there is lost, as upstream loses it."""
    return _match(Place([read_text(text)], 0), rest, create)


def read_text(text: str) -> Any:
    """The structure in a text. Raises `KustomizeProblem` when it is no YAML."""
    try:
        documents = parse_documents(text, dialect=DIALECT)
    except YamlProblem as problem:
        raise KustomizeProblem(f"yaml: line {problem.line}: {problem.message}") from None
    return documents[0].value if documents else None


def _by_index(place: Place, index: int, rest: tuple[str, ...], create: str) -> list[Place]:
    items = _items(place)
    fresh = False
    if index == len(items) and create:
        if not isinstance(place.value, list):
            place.put(items)
        items.append(_blank(rest, create))
        fresh = True
    if index >= len(items):
        raise KustomizeProblem(f"index {index} specified but only {len(items)} elements found")
    return _match(Place(items, index, fresh), rest, create)


def _by_value(place: Place, part: str, rest: tuple[str, ...], create: str) -> list[Place]:
    name, pattern = _name_value(part)
    for _ in range(2):
        found = _elements(_items(place), name, pattern, rest, create)
        if found or not create:
            return found
        items = place.value
        if not isinstance(items, list):
            place.put(items := [])
        items.append({name: plain(pattern)} if name else plain(pattern))
    return _elements(_items(place), name, pattern, rest, create)


def _elements(items: list[Any], name: str, pattern: str, rest: tuple[str, ...], create: str) -> list[Place]:
    fitting = expression(pattern)
    found: list[Place] = []
    for at, item in enumerate(items):
        if not name:
            if not isinstance(item, (dict, list)) and fitting.found(text_of(item)):
                found.append(Place(items, at))
        elif isinstance(item, dict) and name in item and fitting.found(text_of(item[name])):
            found += _match(Place(items, at), rest, create)
    return found
