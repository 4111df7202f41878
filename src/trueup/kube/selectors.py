"""Label and field selectors: parse and match. Called by the API server's lists and watches, by caches and clients.

Text or an object's ``selector`` in, a matcher out. Source: Kubernetes documentation, "Labels and Selectors", "Field
Selectors"; apimachinery ``labels.Parse``, ``fields.ParseSelector``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from trueup.kube.names import Object
from trueup.kube.problems import BadRequest
from trueup.kube.selector_text import terms

Operator = Literal["=", "!=", "in", "notin", "exists", "!", ">", "<"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; an absent key meets ``!=``, ``notin`` and ``!``."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case ">" | "<":
                try:
                    have, want = int(value or ""), int(self.values[0])
                except ValueError:
                    return False
                return have > want if self.operator == ">" else have < want


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of its requirements; none matches everything."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """A null selector in an object selects nothing."""

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is selected."""
        if self.nothing:
            return False
        have = labels or {}
        return all(requirement.matches(have) for requirement in self.requirements)


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


@lru_cache(maxsize=4096)
def labels(text: str) -> LabelSelector:
    """From ``app=web,tier in (a, b),!old``. Raises ``BadRequest`` naming what cannot be read."""
    return LabelSelector(tuple(Requirement(key, sign, values) for key, sign, values in terms(text)))  # type: ignore[arg-type]


_OPERATORS: Mapping[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """From an object's ``matchLabels`` and ``matchExpressions``; null selects nothing, empty selects everything."""
    if selector is None:
        return NOTHING
    found = [Requirement(k, "=", (str(v),)) for k, v in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise BadRequest(f'"{expression.get("operator")}" is not a valid label selector operator')
        found.append(Requirement(expression["key"], operator, tuple(expression.get("values") or ())))
    return LabelSelector(tuple(found))


def set_selector(selector: Mapping[str, str] | None) -> LabelSelector:
    """From a plain map (a Service's or a ReplicationController's selector); empty selects nothing there."""
    if not selector:
        return NOTHING
    return LabelSelector(tuple(Requirement(k, "=", (v,)) for k, v in selector.items()))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """``path=value`` and ``path!=value`` terms, all of which must hold."""

    terms: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, obj: Object) -> bool:
        """Whether the object's fields are as asked."""
        return all((field_text(obj, path) == value) == equal for path, equal, value in self.terms)

    @property
    def paths(self) -> Sequence[str]:
        """The paths that it asks about."""
        return [path for path, _, _ in self.terms]

    def exact(self, path: str) -> str | None:
        """The value that a path must have, if it must have one."""
        return next((value for known, equal, value in self.terms if known == path and equal), None)


@lru_cache(maxsize=4096)
def fields(text: str) -> FieldSelector:
    """From ``metadata.name=web,status.phase!=Running``. Raises ``BadRequest``."""
    found_terms: list[tuple[str, bool, str]] = []
    for term in filter(None, re.split(r"(?<!\\),", text)):
        for operator in ("!=", "==", "="):
            path, found, value = term.partition(operator)
            if found:
                plain = value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\")
                if not (path.strip() or plain):
                    break  # nothing is asked for
                found_terms.append((path.strip(), operator != "!=", plain))
                break
        else:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
    return FieldSelector(tuple(found_terms))


def field_text(obj: Object, path: str) -> str:
    """A field as selectors compare it: absent is empty, booleans are ``true`` and ``false``."""
    value: Any = obj
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return ""
        value = value.get(part)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
