"""The values that a source lays over a chart's own.

Called by `helm`. Options are those of Argo CD's ``source.helm``. Later wins: ``valueFiles`` in their order, then
``values`` or ``valuesObject``, then ``parameters`` and ``fileParameters``.

Where a values file may be, is `helm_files`'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trueup.ports import RenderProblem
from trueup.render.helm_files import Files
from trueup.render.objects import read
from trueup.render.strvals import SetProblem, set_into

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_UNQUOTED_COMMA = re.compile(r"(?<!\\),")


def compose(files: Files, options: Mapping[str, Any]) -> dict[str, Any]:
    """All values but the chart's own."""
    values: dict[str, Any] = {}
    named = [str(file) for file in options.get("valueFiles") or ()]
    for place, content in files.values(named, may_miss=bool(options.get("ignoreMissingValueFiles"))):
        values = merged(values, mapping(content, place))
    values = merged(values, _inline(options))
    env = {str(name): str(value) for name, value in (options.get("env") or {}).items()}
    for parameter in options.get("parameters") or ():
        value = substituted(str(parameter.get("value") or ""), env)
        _set(values, str(parameter.get("name") or ""), value, text=bool(parameter.get("forceString")))
    for parameter in options.get("fileParameters") or ():
        content = files.content(str(parameter.get("path") or ""))
        _set(values, str(parameter.get("name") or ""), content.decode("utf-8", "replace"), text=True, quoted=True)
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


def mapping(content: bytes, place: str) -> dict[str, Any]:
    """What a values file holds; ``place`` is what errors call it."""
    documents = read(content, place)
    value = documents[0].value if documents else None
    if value is not None and not isinstance(value, dict):
        raise RenderProblem("values are a mapping", path=place, line=documents[0].line)
    return value or {}


def _set(values: dict[str, Any], name: str, value: str, *, text: bool, quoted: bool = False) -> None:
    """One parameter. Commas belong to the value, as Argo CD quotes them, unless it is a list in braces."""
    if quoted:
        value = value.replace("\\", "\\\\").replace(",", "\\,")
        value = f"\\{value}" if value.startswith("{") else value
    elif not (value.startswith("{") and value.endswith("}")):
        value = _UNQUOTED_COMMA.sub(r"\\,", value)
    try:
        set_into(values, f"{name}={value}", "string" if text else "value")
    except SetProblem as problem:
        raise RenderProblem(f"parameter {name!r}: {problem}", field="source.helm.parameters") from None
