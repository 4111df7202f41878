"""Replaces ``$(NAME)`` by values of other objects: kustomize's ``vars``. Called by `build`, once, at the end.

Source: kustomize's ``refvar`` filter and resource accumulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trueup.kube.limits import spend
from trueup.kustomize.fieldspecs import Specs
from trueup.kustomize.filters.fields import apply
from trueup.kustomize.filters.paths import lookup, split
from trueup.kustomize.ids import Gvk, Id, split_version
from trueup.kustomize.merge import ABSENT
from trueup.kustomize.problem import KustomizeProblem
from trueup.kustomize.resource import Resource
from trueup.kustomize.resources import Resources
from trueup.kustomize.scalars import Odd, is_null, text_of
from trueup.kustomize.scopes import cluster_scoped

_INDEXED = re.compile(r"(.*)\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Variable:
    """One entry of ``vars``."""

    name: str
    gvk: Gvk
    object_name: str
    namespace: str
    path: str
    written_path: str
    shown: str
    """As a list of them is printed: before its version is read."""

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Variable:
        target = entry.get("objref") or {}
        group, version = target.get("group") or "", target.get("version") or ""
        written = (entry.get("fieldref") or {}).get("fieldPath") or ""
        shown = f"{{{entry.get('name') or ''} {Gvk(group, version, target.get('kind') or '')} {{{written}}}}}"
        if target.get("apiVersion"):
            group, version = split_version(target["apiVersion"])
        return cls(
            entry.get("name") or "",
            Gvk(group, version, target.get("kind") or ""),
            target.get("name") or "",
            target.get("namespace") or "",
            written or "metadata.name",
            written,
            shown,
        )

    def means(self, id: Id) -> bool:
        """Whether an object with an id is the one; without a namespace, in any."""
        if id.name != self.object_name or id.gvk != self.gvk:
            return False
        api_version = f"{self.gvk.group}/{self.gvk.version}" if self.gvk.group else self.gvk.version
        if self.namespace or cluster_scoped(api_version, self.gvk.kind):
            return id.effective == (self.namespace or id.effective)
        return True

    def printed(self) -> str:
        """As it is printed before the default of its path is filled in."""
        return f"{{{self.name} {self.gvk} {{{self.written_path}}}}}"

    def __str__(self) -> str:
        return f"{{{self.name} {self.gvk} {{{self.path}}}}}"


def add(known: dict[str, Variable], variables: Iterable[Variable], resources: Resources | None = None) -> None:
    """Takes in the variables of a kustomization; marks the objects that they read."""
    for variable in variables if resources is not None else ():
        found = resources.by_any_id(variable.object_name, variable.means) if resources is not None else []
        if len(found) > 1:
            raise KustomizeProblem(
                f"found {len(found)} resId matches for var {variable.printed()} (unable to disambiguate)", field="vars"
            )
        for resource in found:
            resource.variables.append(variable.name)
    for variable in variables:
        if variable.name in known:
            raise KustomizeProblem(f"var '{variable.name}' already encountered", field="vars")
        known[variable.name] = variable


def resolve(resources: Resources, variables: Mapping[str, Variable], specs: Specs) -> list[str]:
    """Puts the values in; gives back the names of variables that nothing used."""
    if not variables:
        return []
    values = {name: _value(resources, variables[name]) for name in sorted(variables)}
    used: set[str] = set()

    def mapping(name: str) -> Any:
        value = values.get(name)
        if name not in values or isinstance(value, (dict, list)) or is_null(value):
            return f"$({name})"
        used.add(name)
        return value.value if isinstance(value, Odd) else value

    def setter(holder: Any, key: Any) -> None:
        _put(holder, key, mapping)

    for resource in resources:
        apply(resource, specs, setter)
    return sorted(set(values) - used)


def _value(resources: Resources, variable: Variable) -> Any:
    for resource in resources:
        if variable.name in resource.variables:
            value = _field(resource, variable.path)
            if value is ABSENT:
                raise KustomizeProblem(
                    f"field specified in var '{variable}' not found in corresponding resource", field="vars"
                )
            return value
    raise KustomizeProblem(f"var '{variable}' cannot be mapped to a field in the set of known resources", field="vars")


def _field(resource: Resource, path: str) -> Any:
    parts: list[str] = []
    for part in split(path):
        found = _INDEXED.fullmatch(part)
        parts += [piece for piece in (found[1], found[2]) if piece] if found else [part]
    try:
        return lookup(resource.body, parts)
    except KustomizeProblem:
        return ABSENT


def _put(holder: Any, key: Any, mapping: Callable[[str], Any]) -> None:
    value = holder[key]
    if isinstance(value, str):
        holder[key] = expand(value, mapping)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str):
                value[name] = expand(item, mapping)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            if not isinstance(item, str):
                raise KustomizeProblem("invalid value type expect a string")
            value[at] = expand(item, mapping)


def expand(text: str, mapping: Callable[[str], Any]) -> Any:
    """``$(NAME)`` replaced, ``$$`` for one dollar; a text that is one reference takes the type of the value."""
    if "$" not in text:
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            out.append(text[at])
            at += 1
            continue
        following = text[at + 1]
        close = text.find(")", at) if following == "(" else -1
        if close > 0:
            name = text[at + 2 : close]
            value = mapping(name)
            if text == f"$({name})":
                return value
            out.append(text_of(value))
            spend(len(out[-1]))
            at = close + 1
        else:
            out.append("$" if following == "$" else f"${following}")
            at += 2
    return "".join(out)
