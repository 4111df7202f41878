"""The values that a source lays over a chart's own.

Called by `helm`. Options are those of Argo CD's ``source.helm``. Later wins: ``valueFiles`` in their order, then
``values`` or ``valuesObject``, then ``parameters`` and ``fileParameters``.

A values file is relative to the chart, to the repository's root when it begins with a slash, or to another source of the
same application (``$name/path``). It never leaves its repository, and nothing is fetched from a URL.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from trueup.ports import RenderProblem, Tree
from trueup.render.objects import read
from trueup.render.strvals import SetProblem, set_into

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_UNQUOTED_COMMA = re.compile(r"(?<!\\),")


def compose(tree: Tree, path: str, options: Mapping[str, Any], others: Mapping[str, Tree]) -> dict[str, Any]:
    """All values but the chart's own."""
    values: dict[str, Any] = {}
    for file in options.get("valueFiles") or ():
        found = _values_file(tree, path, str(file), others, bool(options.get("ignoreMissingValueFiles")))
        values = merged(values, found)
    values = merged(values, _inline(options))
    env = {str(name): str(value) for name, value in (options.get("env") or {}).items()}
    for parameter in options.get("parameters") or ():
        value = substituted(str(parameter.get("value") or ""), env)
        _set(values, str(parameter.get("name") or ""), value, text=bool(parameter.get("forceString")))
    for parameter in options.get("fileParameters") or ():
        where, file = _place(tree, path, str(parameter.get("path") or ""), others, "fileParameters")
        try:
            content = where.read(file).decode("utf-8", "replace")
        except OSError as problem:
            raise _unreadable(str(parameter.get("path")), problem, "fileParameters") from None
        _set(values, str(parameter.get("name") or ""), content, text=True, quoted=True)
    return values


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Maps merge, everything else is replaced."""
    out = dict(base)
    for key, value in over.items():
        before = out.get(key)
        out[key] = merged(before, value) if isinstance(value, dict) and isinstance(before, dict) else value
    return out


def substituted(text: str, env: Mapping[str, str]) -> str:
    """``$ARGOCD_APP_NAME`` and the like; ``$$`` is one dollar sign, and an unknown name is left as it stands."""
    if "$" not in text or not env:
        return text
    return _VARIABLE.sub(lambda found: env.get(found[1] or found[2], found[0]), text)


def _inline(options: Mapping[str, Any]) -> dict[str, Any]:
    value = options.get("valuesObject")
    if value is None and options.get("values"):
        documents = read(str(options["values"]), "source.helm.values")
        value = documents[0].value if documents else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RenderProblem("values are a mapping", field="source.helm.values")
    return dict(value)


def _values_file(tree: Tree, path: str, file: str, others: Mapping[str, Tree], may_miss: bool) -> dict[str, Any]:
    where, found = _place(tree, path, file, others, "valueFiles")
    try:
        if may_miss and where.kind(found) == "none":
            return {}
        data = where.read(found)
    except OSError as problem:
        raise _unreadable(file, problem, "valueFiles") from None
    documents = read(data, found)
    value = documents[0].value if documents else None
    if value is not None and not isinstance(value, dict):
        raise RenderProblem("values are a mapping", path=found, line=documents[0].line)
    return value or {}


def _place(tree: Tree, path: str, file: str, others: Mapping[str, Tree], field: str) -> tuple[Tree, str]:
    """The tree that a file is in, and its path there."""
    if "://" in file:
        message = f"{file}: values are not fetched from URLs; keep the file in the repository"
        raise RenderProblem(message, field=f"source.helm.{field}")
    if file.startswith("$"):
        name, _, rest = file[1:].partition("/")
        if name in others:
            return others[name], posixpath.normpath(rest)
        known = ", ".join(f"${other}" for other in sorted(others)) or "none"
        raise RenderProblem(f"{file}: no source has the ref {name!r} (known: {known})", field=f"source.helm.{field}")
    if file.startswith("/"):
        return tree, posixpath.normpath(file.lstrip("/"))
    return tree, posixpath.normpath(posixpath.join(path, file))


def _unreadable(file: str, problem: OSError, field: str) -> RenderProblem:
    if isinstance(problem, PermissionError):
        return RenderProblem(f"{file}: leads out of the repository", field=f"source.helm.{field}")
    return RenderProblem(f"{file}: no such file in the repository", field=f"source.helm.{field}")


def _set(values: dict[str, Any], name: str, value: str, *, text: bool, quoted: bool = False) -> None:
    """One parameter. Commas belong to the value, as Argo CD quotes them, unless it is a list in braces."""
    if quoted:
        value = value.replace("\\", "\\\\").replace(",", "\\,")
        value = f"\\{value}" if value.startswith("{") else value
    elif not (value.startswith("{") and value.endswith("}")):
        value = _UNQUOTED_COMMA.sub(r"\\,", value)
    try:
        set_into(values, f"{name}={value}", text=text)
    except SetProblem as problem:
        raise RenderProblem(f"parameter {name!r}: {problem}", field="source.helm.parameters") from None
