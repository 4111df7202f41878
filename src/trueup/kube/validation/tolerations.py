"""Tolerations: of pods, runtime classes and devices. Source: ``ValidateTolerations`` of ``pkg/apis``."""

from __future__ import annotations

from trueup.kube.names import Object
from trueup.kube.problems import Cause
from trueup.kube.validation import formats
from trueup.kube.validation.causes import Causes, each_invalid, invalid, not_supported, show

_OPERATORS, _EFFECTS = ("Equal", "Exists"), ("NoSchedule", "PreferNoSchedule", "NoExecute")
_GATED = (*_OPERATORS, "Lt", "Gt")
_KEYS = ("key", "operator", "value", "effect")


def tolerations(found: list[Object], path: str, *, once: bool) -> Causes:
    """What is tolerated. ``once``: each may be said once."""
    seen: set[tuple[str, ...]] = set()
    for index, one in enumerate(found):
        at = f"{path}[{index}]"
        yield from _toleration(one, at)
        if once:
            key = tuple(one.get(name) or "" for name in _KEYS)
            if key in seen:
                yield Cause("FieldValueDuplicate", f"Duplicate value: {_shown(one)}", at)
            seen.add(key)


def _toleration(one: Object, path: str) -> Causes:
    key, operator, value, effect = (one.get(name) or "" for name in _KEYS)
    if key:
        yield from each_invalid(f"{path}.key", key, formats.qualified(key))
    elif operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{path}.operator", operator, detail)
    if one.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield invalid(f"{path}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator in ("", "Equal"):
        problems = formats.label_value(value)
        if problems:
            yield invalid(f"{path}.operator", value, ";".join(problems))
    elif operator == "Exists":
        if value:
            yield invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'")
    else:
        yield not_supported(f"{path}.operator", operator, _GATED if operator in _GATED else _OPERATORS)
    if effect and effect not in _EFFECTS:
        yield not_supported(f"{path}.effect", effect, _EFFECTS)


def _shown(one: Object) -> str:
    """The Go struct as JSON."""
    parts = [f'"{name.capitalize()}":{show(one.get(name) or "")}' for name in _KEYS]
    parts.append(f'"TolerationSeconds":{show(one.get("tolerationSeconds"))}')
    return "{" + ",".join(parts) + "}"
